"""Small pictures of a score: points of its ROC curve and a histogram of both sets."""

import numpy as np
from jaxtyping import Float, Float64, Int64

from pipeline.statistics.levels import Levels


def roc_points(
    levels: Levels, *, points: int = 100
) -> tuple[Float64[np.ndarray, " p"], Float64[np.ndarray, " p"]]:
    """Return fpr and tpr (ID positive) of about `points` thresholds, from (0, 0) to (1, 1).

    Every point is a real threshold: tied samples enter together, and where there are more
    distinct scores than points, those nearest to equal steps along the curve are kept.
    """
    tpr = np.append(0, np.cumsum(levels.id_counts[::-1])) / levels.n_id
    fpr = np.append(0, np.cumsum(levels.ood_counts[::-1])) / levels.n_ood
    if len(tpr) > points:
        keep = np.searchsorted(fpr + tpr, np.linspace(0, 2, points))
        keep = np.unique(np.minimum(keep, len(tpr) - 1))
        fpr, tpr = fpr[keep], tpr[keep]
    return fpr, tpr


def histogram(
    scores_id: Float[np.ndarray, " n"], scores_ood: Float[np.ndarray, " m"], *, bins: int = 40
) -> tuple[
    Float64[np.ndarray, " {bins}+1"], Int64[np.ndarray, " {bins}"], Int64[np.ndarray, " {bins}"]
]:
    """Count both sets in the same bins over the central 99 % of all scores.

    Returns:
        Edges, ID counts, OOD counts. The few scores outside the edges count in the outer bins,
        so that a far outlier does not squeeze the picture into one bar.
    """
    low, high = np.quantile(np.concatenate([scores_id, scores_ood]), [0.005, 0.995])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1, dtype=np.float64)
    inner = edges[1:-1]  # a score on an edge belongs to the bin above it
    counts = [
        np.bincount(np.searchsorted(inner, scores, side="right"), minlength=bins)
        for scores in (scores_id, scores_ood)
    ]
    return edges, counts[0], counts[1]
