"""Shares of one written in percent, and their differences in points, as tables and figures do."""

NOT_APPLICABLE = "n/a"
_MOST_DIGITS = 4  # records hold six digits of a share


def percent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Write a share in percent, with its interval where there is one.

    Returns:
        ``96.9``, that with ``(low-high)`` after it, or ``n/a`` for a missing value.
    """
    if value is None:
        return NOT_APPLICABLE
    if low is None or high is None:
        return _digits(value)
    return f"{_digits(value)} ({_digits(low)}–{_digits(high)})"


def points(value: float, low: float | None = None, high: float | None = None) -> str:
    """Write a difference of shares in points of a hundred, signed, as ``+1.5 (-2.0 to +3.0)``."""
    if low is None or high is None:
        return _signed(value)
    return f"{_signed(value)} ({_signed(low)} to {_signed(high)})"


def _digits(share: float) -> str:
    """One digit; more where 100.0 or 0.0 would stand for what is not quite all or none."""
    share += 0.0  # no minus zero
    for digits in range(1, _MOST_DIGITS):
        text = f"{100 * share:.{digits}f}"
        if float(text) not in (0.0, 100.0) or share in (0.0, 1.0):
            return text
    return f"{100 * share:.{_MOST_DIGITS}f}"


def _signed(difference: float) -> str:
    """Write what rounds to nothing without a sign, which would tell a direction."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text
