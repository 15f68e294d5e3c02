"""Every metric of a resample from one sort: a resample is a vector of counts, not of scores.

Sorting happens once a method; then each resample costs a few cumulative sums and gathers.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int32, Int64

from pipeline.statistics.levels import needed_count, sorted_scores


@dataclass(frozen=True)
class Ranking:
    """Where the ID and OOD scores of one method lie among each other, after one sort.

    Attributes:
        id_order: Row of the i-th lowest ID score.
        ood_order: Row of the j-th lowest OOD score.
        id_tie: Number of ID scores strictly below the i-th lowest ID score.
        ood_below: Number of OOD scores strictly below the i-th lowest ID score.
        ood_at_most: Number of OOD scores at most the i-th lowest ID score.
        ood_tie: Number of OOD scores at most the j-th lowest OOD score.
        id_at_most: Number of ID scores at most the j-th lowest OOD score.
    """

    id_order: Int64[np.ndarray, " n"]
    ood_order: Int64[np.ndarray, " m"]
    id_tie: Int64[np.ndarray, " n"]
    ood_below: Int64[np.ndarray, " n"]
    ood_at_most: Int64[np.ndarray, " n"]
    ood_tie: Int64[np.ndarray, " m"]
    id_at_most: Int64[np.ndarray, " m"]

    @classmethod
    def fit(
        cls, scores_id: Float[np.ndarray, " n"], scores_ood: Float[np.ndarray, " m"]
    ) -> "Ranking":
        """Sort both sets and place each among the other."""
        ordered_id, ordered_ood = sorted_scores(scores_id, "ID"), sorted_scores(scores_ood, "OOD")
        return cls(
            id_order=np.argsort(scores_id, kind="stable"),
            ood_order=np.argsort(scores_ood, kind="stable"),
            id_tie=np.searchsorted(ordered_id, ordered_id, "left"),
            ood_below=np.searchsorted(ordered_ood, ordered_id, "left"),
            ood_at_most=np.searchsorted(ordered_ood, ordered_id, "right"),
            ood_tie=np.searchsorted(ordered_ood, ordered_ood, "right"),
            id_at_most=np.searchsorted(ordered_id, ordered_ood, "right"),
        )


def resampled_metrics(
    ranking: Ranking,
    id_counts: Int32[np.ndarray, "b n"],
    ood_counts: Int32[np.ndarray, "b m"],
    *,
    tpr: float = 0.95,
) -> dict[str, Float[np.ndarray, " b"]]:
    """Compute all metrics when each image occurs as often as counted.

    Args:
        ranking: The method's scores on the original images.
        id_counts: How often each ID image is drawn, by resample; rows sum to n.
        ood_counts: The same for the OOD images; rows sum to m.
        tpr: Share that fpr95 and fpr95_ood accept of their positive class.
    """
    n, m = id_counts.shape[1], ood_counts.shape[1]
    id_sorted = np.take(id_counts, ranking.id_order, axis=1)
    ood_sorted = np.take(ood_counts, ranking.ood_order, axis=1)
    id_sums, ood_sums = _running(id_sorted), _running(ood_sorted)  # sums of the lowest i

    id_accepted = n - np.take(id_sums, ranking.id_tie, axis=1)
    ood_below = np.take(ood_sums, ranking.ood_below, axis=1)
    ood_accepted = m - ood_below
    ood_at_most = ood_below
    if not np.array_equal(ranking.ood_below, ranking.ood_at_most):
        ood_at_most = np.take(ood_sums, ranking.ood_at_most, axis=1)
    ood_rejected = np.take(ood_sums, ranking.ood_tie, axis=1)
    id_rejected = np.take(id_sums, ranking.id_at_most, axis=1)

    # Enough is accepted at a prefix of the sorted ID scores, enough rejected at a suffix of the
    # OOD ones; the sums change at drawn scores only, so both thresholds are drawn scores.
    id_threshold = (id_accepted >= needed_count(n, tpr)).sum(axis=1) - 1
    ood_threshold = (ood_rejected < needed_count(m, tpr)).sum(axis=1)
    each = np.arange(len(id_counts))
    return {
        "auroc": (_dot(id_sorted, ood_below) + _dot(id_sorted, ood_at_most)) / (2 * n * m),
        "fpr95": ood_accepted[each, id_threshold] / m,
        "fpr95_ood": id_rejected[each, ood_threshold] / n,
        "aupr_in": _dot(id_sorted, _ratio(id_accepted, ood_accepted)) / n,
        "aupr_out": _dot(ood_sorted, _ratio(ood_rejected, id_rejected)) / m,
    }


def _running(counts: Int32[np.ndarray, "b n"]) -> Int32[np.ndarray, "b n+1"]:
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1), dtype=np.int32)
    np.cumsum(counts, axis=1, out=sums[:, 1:])
    return sums


def _ratio(part: Int[np.ndarray, "b n"], rest: Int[np.ndarray, "b n"]) -> Float[np.ndarray, "b n"]:
    """Return part / (part + rest), and 0 where nothing was drawn on either side."""
    return part / np.maximum(part + rest, 1)


def _dot(counts: Int[np.ndarray, "b n"], values: np.ndarray) -> Float[np.ndarray, " b"]:
    """Sum of products by row in float64, which is exact for counts."""
    return np.einsum("bn,bn->b", counts, values, dtype=np.float64, casting="unsafe")
