"""How many ID and OOD samples have each distinct score: all that ranking metrics need.

Samples with equal scores form one level and enter every metric together, so no number depends on
the order of the rows (a constant detector gets AUROC 0.5, whatever comes first in the file).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64


@dataclass(frozen=True)
class Levels:
    """Counts at the distinct scores of one detector on one pair of sets, in ascending order."""

    scores: Float[np.ndarray, " l"]
    id_counts: Int64[np.ndarray, " l"]
    ood_counts: Int64[np.ndarray, " l"]
    id_at_most: Int64[np.ndarray, " l"]
    ood_at_most: Int64[np.ndarray, " l"]

    @property
    def n_id(self) -> int:
        """Number of ID samples."""
        return int(self.id_at_most[-1])

    @property
    def n_ood(self) -> int:
        """Number of OOD samples."""
        return int(self.ood_at_most[-1])

    @property
    def constant(self) -> bool:
        """Whether every sample has the same score, so that the detector says nothing."""
        return len(self.scores) == 1


def count_levels(scores_id: Float[np.ndarray, " n"], scores_ood: Float[np.ndarray, " m"]) -> Levels:
    """Count the samples at each distinct score, from one sort.

    Raises:
        ValueError: If a set is empty or a score is not finite.
    """
    ordered_id = sorted_scores(scores_id, "ID")
    ordered_ood = sorted_scores(scores_ood, "OOD")
    joined = np.concatenate([ordered_ood, ordered_id])
    order = np.argsort(joined, kind="stable")  # two sorted runs: one merge
    scores = joined[order]
    last = np.empty(len(scores), dtype=bool)  # the last sample of each level
    np.not_equal(scores[1:], scores[:-1], out=last[:-1])
    last[-1] = True
    id_at_most = np.cumsum(order >= len(ordered_ood), dtype=np.int64)
    at_most = np.arange(1, len(scores) + 1)
    if not last.all():
        scores, id_at_most, at_most = scores[last], id_at_most[last], at_most[last]
    ood_at_most = at_most - id_at_most
    return Levels(
        scores=scores,
        id_counts=np.diff(id_at_most, prepend=0),
        ood_counts=np.diff(ood_at_most, prepend=0),
        id_at_most=id_at_most,
        ood_at_most=ood_at_most,
    )


def sorted_scores(scores: Float[np.ndarray, " n"], which: str) -> Float[np.ndarray, " n"]:
    """Sort the scores of one set ascending, refusing an empty set and values that do not rank.

    Raises:
        ValueError: If there is no score, or one is NaN or infinite.
    """
    if len(scores) == 0:
        raise ValueError(f"there must be at least one {which} score, got none")
    ordered = np.sort(scores)
    if not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1])):  # NaN sorts last
        finite: Bool[np.ndarray, " n"] = np.isfinite(scores)
        raise ValueError(
            f"{which} scores must be finite, got {scores[~finite][0]} at {int(finite.argmin())} "
            f"({int((~finite).sum())} of {len(scores)}); look for broken features or overflow"
        )
    return ordered


def needed_count(n: int, share: float) -> int:
    """Smallest number of n samples that is at least this share of them, as floats compare.

    Raises:
        ValueError: If the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share to accept must be above 0 and at most 1, got {share}")
    count = int(share * n)  # may be one off either way
    while count / n < share:
        count += 1
    while count > 1 and (count - 1) / n >= share:
        count -= 1
    return count
