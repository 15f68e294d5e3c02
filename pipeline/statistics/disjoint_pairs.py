"""What can be said where every ID-OOD pair gave the same value, so that no variance shows.

Of n ID and m OOD images, k = min(n, m) pairs share no image, so they are k independent trials
whose expected value is the AUROC (or, for two methods, the difference of their AUROCs). If all
k gave the value v, then Clopper and Pearson (Biometrika 1934, no failure in k trials) bound the
share u of pairs that behave otherwise; whatever those give, the expected value lies between
(1 - u) v + u · lowest and (1 - u) v + u · highest. No pair has to be chosen: all are alike.
"""


def unseen_share(pairs: int, *, level: float = 0.95) -> float:
    """Upper end of the share of pairs that behave otherwise, when none of `pairs` did.

    With alpha = 1 - level it is 1 - (alpha / 2)^(1 / pairs): the share at which seeing no such
    pair has probability alpha / 2.

    Raises:
        ValueError: If there is no pair, or the level is not between 0 and 1.
    """
    if pairs < 1:
        raise ValueError(f"a bound needs at least one ID-OOD pair, got {pairs}")
    if not 0 < level < 1:
        raise ValueError(f"the confidence level must be between 0 and 1, got {level}")
    return 1 - ((1 - level) / 2) ** (1 / pairs)


def same_value_interval(
    value: float,
    *,
    pairs: int,
    lowest: float = 0.0,
    highest: float = 1.0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Interval of an expected value when every pair gave `value`.

    Args:
        value: What each pair gave: 1 for ID above OOD, 0 for below, one half for a tie; for two
            methods the difference of that.
        pairs: The smaller number of images of the two sets.
        lowest: Least value that a pair can give: 0 for an AUROC, -1 for a difference.
        highest: Greatest value that a pair can give.
        level: Confidence level; the interval holds the truth at least as often.
    """
    share = unseen_share(pairs, level=level)
    return (1 - share) * value + share * lowest, (1 - share) * value + share * highest


def no_surer(low: float, high: float, *, pairs: int, level: float = 0.95) -> tuple[float, float]:
    """Widen an interval of a share to what no pair behaving otherwise leaves open.

    Resampling and estimated variances know only what was seen. A few images at the wrong end, each
    in a rare draw or none, would give a share next to 1 (or 0) a narrower interval than a share of
    1, and the truth is then often outside. So the lower end is never above that of a share of 1,
    and the upper end never below that of 0.

    Args:
        low: Lower end.
        high: Upper end.
        pairs: Independent trials, as for `same_value_interval`.
        level: Confidence level.
    """
    share = unseen_share(pairs, level=level)
    return min(low, 1 - share), max(high, share)


def same_value_p(difference: float, *, pairs: int) -> float:
    """Two-sided p-value of two equal AUROCs when every pair gave the same difference.

    With equal AUROCs the other pairs, at most 1 the other way, must balance those that gave the
    difference d: at most a share 1 / (1 + |d|) can give it, so all k do with probability at most
    (1 + |d|)^-k. For |d| = 1 twice that is the sign test. The p-value is below 1 - level just
    where `same_value_interval` from -1 to 1 leaves out zero.
    """
    return min(1.0, 2 * (1 + abs(difference)) ** -pairs)
