"""Long lists in a message: the first of them, and how many more there are."""

from collections.abc import Sequence


def first_and_more(items: Sequence[str], *, shown: int, between: str = ", ") -> str:
    """Return ``a, b, c, and 1,204 more``; all of them where they are no more than `shown`.

    Args:
        items: Names or sentences, in the order to be told.
        shown: How many are told.
        between: What parts them.
    """
    more = [f"and {len(items) - shown:,} more"] if len(items) > shown else []
    return between.join([*items[:shown], *more])
