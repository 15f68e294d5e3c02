"""Intervals of the metrics that no resample changes, as with perfect separation.

Percentiles of equal replicates have no width, which would claim certainty. What n images showed
without an exception is bounded by Clopper and Pearson (Biometrika 1934): with the chosen
confidence, at most the share u = 1 - (alpha / 2)^(1 / n) of such images behaves otherwise
(`pipeline.statistics.disjoint_pairs.unseen_share`). The bounds take a threshold as given.
"""

import math

import numpy as np
from jaxtyping import Float

from pipeline.statistics.bootstrap import percentile_interval
from pipeline.statistics.disjoint_pairs import no_surer, same_value_interval, unseen_share


def unmoved_interval(
    metric: str, value: float, *, n_id: int, n_ood: int, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of a metric that every resample gave the same value.

    Args:
        metric: ``fpr95``, ``fpr95_ood``, ``aupr_in`` or ``aupr_out``.
        value: Its value.
        n_id: Number of ID images.
        n_ood: Number of OOD images.
        level: Confidence level.

    Returns:
        For a share of none or of all images what none of n can exclude; for an average precision
        of 1 what is left when as many positives, or negatives, as could have gone unseen stand at
        the wrong end. Elsewhere, as with constant scores, twice the value: nothing is known.
    """
    if metric in ("fpr95", "fpr95_ood") and value in (0.0, 1.0):
        share = unseen_share(n_ood if metric == "fpr95" else n_id, level=level)
        return (0.0, share) if value == 0 else (1 - share, 1.0)
    if metric in ("aupr_in", "aupr_out") and value == 1:
        positives, negatives = (n_id, n_ood) if metric == "aupr_in" else (n_ood, n_id)
        return least_precision(positives, negatives, level=level), 1.0
    return value, value


def no_surer_than_perfect(
    metric: str,
    ends: tuple[float, float],
    *,
    n_id: int,
    n_ood: int,
    level: float = 0.95,
) -> tuple[float, float]:
    """Widen an interval to no less than perfect, and for shares reversed, scores would have.

    A metric that a few images moved would otherwise get a narrower interval than one that none did
    (`pipeline.statistics.disjoint_pairs.no_surer`).

    Args:
        metric: A metric of `pipeline.statistics.metrics.all_metrics`.
        ends: Lower and upper end by resampling.
        n_id: Number of ID images.
        n_ood: Number of OOD images.
        level: Confidence level.
    """
    low, high = ends
    if metric in ("aupr_in", "aupr_out"):
        return min(low, unmoved_interval(metric, 1.0, n_id=n_id, n_ood=n_ood, level=level)[0]), high
    trials = {"auroc": min(n_id, n_ood), "fpr95": n_ood, "fpr95_ood": n_id}[metric]
    return no_surer(low, high, pairs=trials, level=level)


def difference_interval(
    difference: float,
    replicates: Float[np.ndarray, " b"],
    *,
    pairs: int,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a paired difference, and a bound where no resample moves it.

    Args:
        difference: Of two metrics on the same images, between -1 and 1.
        replicates: The same difference on each joint draw.
        pairs: Images that could each have behaved otherwise: the OOD images for fpr95, for an
            AUROC those of the smaller set.
        level: Confidence level.

    Returns:
        Ends that hold the difference; next to -1 and 1 no surer than at -1 and 1.
    """
    low, high = percentile_interval(replicates, level=level)
    bounds = {"pairs": pairs, "lowest": -1.0, "level": level}
    if low == high:
        low, high = same_value_interval(difference, **bounds)
    low = min(low, difference, same_value_interval(1.0, **bounds)[0])
    return low, max(high, difference, same_value_interval(-1.0, **bounds)[1])


def least_precision(positives: int, negatives: int, *, level: float) -> float:
    """Return the least average precision that a perfect ranking of so many images allows."""
    late = unseen_share(positives, level=level)  # positives below every negative
    ahead = (1 - late) * positives
    of_late = ahead / (ahead + negatives)
    early = unseen_share(negatives, level=level) * negatives / positives  # above every positive
    return min(1 - late + late * of_late, 1 - early * math.log1p(1 / early))
