"""DeLong's intervals of the AUROC of every class of OOD images, all from one sort.

Written as in `pipeline.statistics.delong`, each of a thousand classes would look at every ID image
again. Here the placements of ID images are summed by their steps, which are the class's own images:
all classes together cost one sort of the OOD images.
"""

import numpy as np
from jaxtyping import Float, Int

from pipeline.statistics.delong import ROUNDING, logit_interval


def class_intervals(
    below: Int[np.ndarray, " m"],
    at_most: Int[np.ndarray, " m"],
    members: Int[np.ndarray, " m"],
    *,
    n_id: int,
    level: float = 0.95,
) -> list[tuple[float, float] | None]:
    """Confidence interval of the AUROC of each class against all ID images, on the log-odds.

    Args:
        below: How many ID scores are below each OOD score.
        at_most: How many are at most it; more than `below` where the score is tied.
        members: Class number of each OOD image, from 0 and without gaps.
        n_id: Number of ID images.
        level: Confidence level.

    Returns:
        What `delong_interval` gives for the class, and nothing where either side is one image.
    """
    sizes = np.bincount(members)
    above = n_id - (below + at_most) / 2  # ID images above each OOD image, ties one half
    areas = np.bincount(members, weights=above) / sizes / n_id
    spread = _squares_of_id(below, at_most, members, n_id) - n_id * areas**2
    of_id = spread / max(n_id - 1, 1) / n_id
    deviations = (above / n_id - areas[members]) ** 2
    of_ood = np.bincount(members, weights=deviations) / np.maximum(sizes - 1, 1) / sizes
    errors = np.sqrt(np.maximum(of_id, 0) + of_ood)
    errors[(errors < ROUNDING) | np.isin(areas, (0.0, 1.0))] = 0.0  # each ID image gave the same
    pairs = np.minimum(sizes, n_id)
    return [
        logit_interval(area, error, pairs=k, level=level) if k > 1 else None
        for area, error, k in zip(areas.tolist(), errors.tolist(), pairs.tolist(), strict=True)
    ]


def _squares_of_id(
    below: Int[np.ndarray, " m"],
    at_most: Int[np.ndarray, " m"],
    members: Int[np.ndarray, " m"],
    n_id: int,
) -> Float[np.ndarray, " c"]:
    """Sum over ID images of the squared share of a class's OOD images below, ties one half.

    The square of a sum over OOD images is a sum over pairs of them. Of a pair, the ID images above
    both are those above the higher one, a = (above + at least) / 2; of two images tied with the
    same ID images, one above counts 1 and one equal a quarter: (3 above + at least) / 4.
    """
    place = below + at_most  # orders the OOD images as their scores do, as far as ID ones tell
    order = np.lexsort((place, members))
    first = np.flatnonzero(
        np.r_[True, (np.diff(members[order]) != 0) | (np.diff(place[order]) != 0)]
    )
    chosen = order[first]  # one image of each group of equals
    count = np.diff(np.r_[first, len(order)])
    sizes = np.bincount(members)
    lower = first - (np.cumsum(sizes) - sizes)[members[chosen]]  # images of the class below these
    above, at_least = n_id - at_most[chosen], n_id - below[chosen]
    pairs = lower * count * (above + at_least) + count**2 * (3 * above + at_least) / 4
    return np.bincount(members[chosen], weights=pairs) / sizes**2
