"""Two methods on the same images: the difference of their metrics, with interval and test."""

import numpy as np
from jaxtyping import Float

from pipeline.statistics.delong import delong_test
from pipeline.statistics.metrics import fpr_at_tpr
from pipeline.statistics.unmoved_metrics import difference_interval

SMALLEST_P = 1e-6  # records are rounded to six digits; a p-value of zero would say too much


def paired_comparison(
    first: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    second: tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]],
    *,
    fpr_replicates: Float[np.ndarray, " b"],
    tpr: float = 0.95,
    level: float = 0.95,
) -> dict[str, float]:
    """Compare AUROC by DeLong's paired test, and fpr95 by paired bootstrap; first minus second.

    Args:
        first: ID and OOD scores of one method, in row order.
        second: Scores of the other method for the same images in the same order.
        fpr_replicates: Differences of the fpr95 replicates of both, from the same draws.
        tpr: Share of ID images accepted at the threshold of fpr95.
        level: Confidence level of both intervals.

    Returns:
        ``difference``, ``low``, ``high`` and ``p`` of the AUROCs (above 0: first is better; a p
        below `SMALLEST_P` is written as that);
        ``fpr95_difference``, ``fpr95_low``, ``fpr95_high`` (below 0: first is better).

    Raises:
        ValueError: If the methods scored different numbers of images.
    """
    test = delong_test(first, second, level=level)
    fpr_difference = fpr_at_tpr(*first, tpr=tpr) - fpr_at_tpr(*second, tpr=tpr)
    low, high = difference_interval(
        fpr_difference, fpr_replicates, pairs=len(first[1]), level=level
    )
    return {
        "difference": test.difference,
        "low": test.low,
        "high": test.high,
        "p": max(test.p, SMALLEST_P),
        "fpr95_difference": fpr_difference,
        "fpr95_low": low,
        "fpr95_high": high,
    }
