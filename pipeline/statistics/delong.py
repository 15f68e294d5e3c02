"""AUROC intervals and paired tests without resampling, from the placement of every score.

DeLong, DeLong and Clarke-Pearson (Biometrics 1988) estimate the covariance of AUROCs measured on
the same images from placements: for an ID image the share of OOD images below it, for an OOD image
the share of ID images above it, ties one half. Sorting gives all placements in O(n log n), as Sun
and Xu (IEEE Signal Processing Letters 2014) observe.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logit, ndtr, ndtri

from pipeline.statistics.disjoint_pairs import no_surer, same_value_interval, same_value_p
from pipeline.statistics.levels import sorted_scores

# A standard error below this is rounding: the least that n + m images can show is 1 / (2 n m).
ROUNDING = 1e-15


@dataclass(frozen=True)
class PairedTest:
    """The difference of two AUROCs on the same images, with its interval and p-value."""

    difference: float
    low: float
    high: float
    p: float


def placements(
    scores_id: Float[np.ndarray, " n"], scores_ood: Float[np.ndarray, " m"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]:
    """Return the share of OOD below each ID score, and of ID above each OOD score; ties one half.

    The mean of either is the AUROC.
    """
    ordered_id, ordered_ood = sorted_scores(scores_id, "ID"), sorted_scores(scores_ood, "OOD")
    return _share_below(scores_id, ordered_ood), 1 - _share_below(scores_ood, ordered_id)


def delong_interval(
    scores_id: Float[np.ndarray, " n"],
    scores_ood: Float[np.ndarray, " m"],
    *,
    level: float = 0.95,
    scale: str = "logit",
) -> tuple[float, float]:
    """Confidence interval of the AUROC from DeLong's variance.

    Args:
        scores_id: ID scores, higher = more in-distribution.
        scores_ood: OOD scores.
        level: Confidence level, between 0 and 1.
        scale: ``logit``: symmetric on the log-odds of the AUROC, so it stays inside (0, 1), and no
            surer than that of perfect or reversed scores, so it keeps its coverage near 1 and 0
            (`pipeline.statistics.disjoint_pairs.no_surer`); ``plain``: AUROC ± z · standard error,
            cut to [0, 1].

    Returns:
        Lower and upper end. Where every placement is equal (perfect separation, or constant
        scores) the estimated variance is zero, which is no certainty: there the interval is the
        exact-style bound of `pipeline.statistics.disjoint_pairs`, on min(n, m) trials.

    Raises:
        ValueError: If a set has fewer than two scores, or a name or level is unknown.
    """
    if scale not in ("logit", "plain"):
        raise ValueError(f"unknown scale '{scale}'; known: logit, plain")
    # The mean and variance need no row order, so sorted copies make the lookups sequential.
    ordered_id, ordered_ood = sorted_scores(scores_id, "ID"), sorted_scores(scores_ood, "OOD")
    of_id, of_ood = _share_below(ordered_id, ordered_ood), _share_below(ordered_ood, ordered_id)
    area = float(of_id.mean())
    error = float(np.sqrt(_variance(of_id) + _variance(of_ood)))
    pairs = min(len(of_id), len(of_ood))
    if scale == "plain" and error > 0:
        half = _quantile(level) * error
        return max(0.0, area - half), min(1.0, area + half)
    return logit_interval(area, error, pairs=pairs, level=level)


def logit_interval(area: float, error: float, *, pairs: int, level: float) -> tuple[float, float]:
    """Confidence interval of an AUROC from its standard error, on the log-odds.

    Args:
        area: AUROC, from 0 to 1.
        error: Its standard error; 0 where every pair gave the same.
        pairs: The smaller number of images of the two sets.
        level: Confidence level.
    """
    if error == 0:
        return same_value_interval(area, pairs=pairs, level=level)
    half = _quantile(level) * error / (area * (1 - area))
    ends = float(expit(logit(area) - half)), float(expit(logit(area) + half))
    return no_surer(*ends, pairs=pairs, level=level)


def delong_test(
    first: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    second: tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]],
    *,
    level: float = 0.95,
) -> PairedTest:
    """Compare two methods on the same images: AUROC(first) - AUROC(second).

    Args:
        first: ID and OOD scores of one method, in row order.
        second: Scores of the other method for the same images in the same order.
        level: Confidence level of the interval of the difference.

    Returns:
        The difference, its normal interval cut to [-1, 1], and the two-sided p-value of no
        difference, which is normal too but never below what min(n, m) pairs can say when all of
        them go one way. Where the variance is zero (the methods rank alike, or each is perfect,
        reversed or constant) interval and p-value are those of
        `pipeline.statistics.disjoint_pairs`; where it is zero though pairs differ, which takes a
        coincidence of ranks, nothing can be estimated: from -1 to 1, with p = 1.

    Raises:
        ValueError: If the methods scored different numbers of images, or a set has fewer than
            two scores.
    """
    for which, mine, theirs in zip(("ID", "OOD"), first, second, strict=True):
        if len(mine) != len(theirs):
            raise ValueError(
                f"both methods must score the same {which} images in the same order, "
                f"got {len(mine)} and {len(theirs)} scores"
            )
    one, other = placements(*first), placements(*second)
    of_id, of_ood = one[0] - other[0], one[1] - other[1]
    difference = float(of_id.mean())
    error = float(np.sqrt(_variance(of_id) + _variance(of_ood)))
    z = _quantile(level)
    pairs = min(len(of_id), len(of_ood))
    if error > ROUNDING:
        low, high = difference - z * error, difference + z * error
        p = max(float(2 * ndtr(-abs(difference) / error)), same_value_p(1.0, pairs=pairs))
    elif difference == 0 or not any(np.ptp(part) for part in (*one, *other)):
        low, high = same_value_interval(difference, pairs=pairs, lowest=-1.0, level=level)
        p = same_value_p(difference, pairs=pairs)
    else:
        low, high, p = -1.0, 1.0, 1.0
    return PairedTest(difference=difference, low=max(-1.0, low), high=min(1.0, high), p=p)


def _share_below(
    scores: Float[np.ndarray, " a"], ordered: Float[np.ndarray, " b"]
) -> Float[np.ndarray, " a"]:
    """Share of `ordered` below each score, ties one half."""
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    return (below + not_above) / (2 * len(ordered))


def _variance(shares: Float[np.ndarray, " n"]) -> float:
    """Variance of the mean of one set's placements."""
    if len(shares) < 2:
        raise ValueError(
            f"DeLong's variance needs at least 2 scores of each set, got {len(shares)}"
        )
    return float(shares.var(ddof=1)) / len(shares)


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"the confidence level must be between 0 and 1, got {level}")
    return float(ndtri((1 + level) / 2))
