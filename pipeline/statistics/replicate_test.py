"""A paired test from joint bootstrap replicates, where the scores themselves are not at hand.

Records keep replicates of every model's metrics on the same draws of images, but no scores, so
DeLong's test, which needs both models' scores of each image, cannot be made across models.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

from pipeline.statistics.comparison import SMALLEST_P
from pipeline.statistics.disjoint_pairs import same_value_p
from pipeline.statistics.evaluation_params import LEAST_DRAWS

STILL = 1e-9  # replicates that differ by less do not: stored steps are 1e-4


def replicate_p(
    difference: float, replicates: Float[np.ndarray, " b"], *, n_id: int, n_ood: int
) -> float:
    """Two-sided p-value of no difference between two AUROCs on the same images.

    A z test: the standard error is the standard deviation of the replicates (Efron and Tibshirani,
    An Introduction to the Bootstrap, 1993, section 13.3); DeLong's test is the same with an
    estimate of its own. Counting replicates beyond zero instead could show nothing below 1 / b.

    Args:
        difference: First AUROC minus the second.
        replicates: The same difference on each joint draw, `LEAST_DRAWS` or more.
        n_id: Number of ID images.
        n_ood: Number of OOD images.

    Returns:
        The p-value, never below what min(n_id, n_ood) pairs can say when all of them go one way,
        nor below `SMALLEST_P`. Where no draw moves the difference, as between perfect separation
        and its reverse, that of `pipeline.statistics.disjoint_pairs`.

    Raises:
        ValueError: If there are fewer draws.
    """
    error = _standard_error(replicates)
    pairs = min(n_id, n_ood)
    if np.ptp(replicates) < STILL:
        return max(same_value_p(difference, pairs=pairs), SMALLEST_P)
    p = float(2 * ndtr(-abs(difference) / error))
    return max(p, same_value_p(1.0, pairs=pairs), SMALLEST_P)


def replicate_interval(
    difference: float, replicates: Float[np.ndarray, " b"], *, level: float = 0.95
) -> tuple[float, float]:
    """Interval that belongs to `replicate_p`: difference ± z · standard error, cut to [-1, 1].

    The tails of 200 draws are five draws each; their standard deviation is surer, and test and
    interval say the same. Where no draw moves the difference this has no width: see `STILL`.

    Args:
        difference: First AUROC minus the second.
        replicates: The same difference on each joint draw, `LEAST_DRAWS` or more.
        level: Confidence level.

    Raises:
        ValueError: If there are fewer draws.
    """
    half = float(ndtri((1 + level) / 2)) * _standard_error(replicates)
    return max(-1.0, difference - half), min(1.0, difference + half)


def _standard_error(replicates: Float[np.ndarray, " b"]) -> float:
    if len(replicates) < LEAST_DRAWS:
        raise ValueError(
            f"a test of replicates needs at least {LEAST_DRAWS} joint draws, got "
            f"{len(replicates)}; raise evaluate.replicates"
        )
    return float(np.std(replicates, ddof=1))
