"""How well scores separate ID from OOD: higher score = more in-distribution, ID is positive.

Every function takes ``scores_id, scores_ood``, so no caller encodes a label. Thresholds are
observed scores; nothing is interpolated; tied samples count together.
"""

import numpy as np
from jaxtyping import Bool, Float

from pipeline.statistics.class_intervals import class_intervals
from pipeline.statistics.levels import Levels, count_levels, needed_count, sorted_scores


def auroc(scores_id: Float[np.ndarray, " n"], scores_ood: Float[np.ndarray, " m"]) -> float:
    """Probability that an ID sample scores above an OOD sample; a tie counts one half."""
    return _auroc(count_levels(scores_id, scores_ood))


def fpr_at_tpr(
    scores_id: Float[np.ndarray, " n"],
    scores_ood: Float[np.ndarray, " m"],
    *,
    tpr: float = 0.95,
) -> float:
    """Share of OOD samples accepted at the threshold that accepts `tpr` of the ID ones.

    The threshold is the highest observed score that accepts at least `tpr` of the ID samples
    (accepted: score >= threshold). This is ``fpr95``, the sense of MCM (Ming et al., NeurIPS
    2022, arXiv:2211.13445) and PLP; lower is better.
    """
    return _fpr(count_levels(scores_id, scores_ood), tpr)


def fpr95_ood(
    scores_id: Float[np.ndarray, " n"],
    scores_ood: Float[np.ndarray, " m"],
    *,
    tpr: float = 0.95,
) -> float:
    """Share of ID samples rejected at the threshold that rejects `tpr` of the OOD ones.

    OOD is the positive class: the sense of OpenOOD v1.5 (Zhang et al., arXiv:2306.09301) and
    pytorch-ood. The threshold is the lowest observed score that rejects at least `tpr` of the
    OOD samples (rejected: score <= threshold). Lower is better.
    """
    return _fpr_ood(count_levels(scores_id, scores_ood), tpr)


def aupr_in(scores_id: Float[np.ndarray, " n"], scores_ood: Float[np.ndarray, " m"]) -> float:
    """Average precision with ID as the positive class; tied samples enter together.

    Average precision is the step sum, not the trapezoid under the precision-recall curve.
    """
    return _aupr_in(count_levels(scores_id, scores_ood))


def aupr_out(scores_id: Float[np.ndarray, " n"], scores_ood: Float[np.ndarray, " m"]) -> float:
    """Average precision with OOD as the positive class, ranked from the lowest score."""
    return _aupr_out(count_levels(scores_id, scores_ood))


def all_metrics(
    scores_id: Float[np.ndarray, " n"],
    scores_ood: Float[np.ndarray, " m"],
    *,
    tpr: float = 0.95,
) -> dict[str, float]:
    """Every metric of this page from one sort: auroc, fpr95, fpr95_ood, aupr_in, aupr_out."""
    return level_metrics(count_levels(scores_id, scores_ood), tpr=tpr)


def level_metrics(levels: Levels, *, tpr: float = 0.95) -> dict[str, float]:
    """Compute `all_metrics` for levels that have been counted already."""
    return {
        "auroc": _auroc(levels),
        "fpr95": _fpr(levels, tpr),
        "fpr95_ood": _fpr_ood(levels, tpr),
        "aupr_in": _aupr_in(levels),
        "aupr_out": _aupr_out(levels),
    }


def accepted_at_tpr(
    scores_id: Float[np.ndarray, " n"], *, tpr: float = 0.95
) -> Bool[np.ndarray, " n"]:
    """Return which ID images are accepted at the threshold of `fpr_at_tpr`."""
    ordered = sorted_scores(scores_id, "ID")
    return scores_id >= ordered[len(ordered) - needed_count(len(ordered), tpr)]


def class_breakdown(
    scores_id: Float[np.ndarray, " n"],
    scores_ood: Float[np.ndarray, " m"],
    class_names: list[str],
    *,
    tpr: float = 0.95,
    level: float = 0.95,
) -> dict[str, dict[str, float | int]]:
    """Give auroc with DeLong's interval, fpr95 and n of each class of OOD images against all ID.

    Args:
        scores_id: ID scores.
        scores_ood: OOD scores.
        class_names: Class of each OOD image, in the order of `scores_ood`.
        tpr: Share of ID images accepted at the threshold of fpr95.
        level: Confidence level of ``low`` and ``high``, which a class of one image does not have.
    """
    if len(class_names) != len(scores_ood):
        raise ValueError(
            f"there must be one class name per OOD score, got {len(class_names)} names "
            f"for {len(scores_ood)} scores"
        )
    ordered = sorted_scores(scores_id, "ID")
    sorted_scores(scores_ood, "OOD")
    n = len(ordered)
    below = np.searchsorted(ordered, scores_ood)
    at_most = np.searchsorted(ordered, scores_ood, "right")
    accepted = scores_ood >= ordered[n - needed_count(n, tpr)]
    names, members = np.unique(np.array(class_names, dtype=str), return_inverse=True)
    sizes = np.bincount(members)
    areas = np.bincount(members, weights=n - (below + at_most) / 2) / sizes / n
    rates = np.bincount(members, weights=accepted) / sizes
    ends = class_intervals(below, at_most, members, n_id=n, level=level)
    return {
        str(name): {"auroc": float(area), "fpr95": float(rate), "n": int(size)}
        | ({} if end is None else {"low": end[0], "high": end[1]})
        for name, area, rate, size, end in zip(names, areas, rates, sizes, ends, strict=True)
    }


def _auroc(levels: Levels) -> float:
    # Twice the ordered pairs plus the tied ones: integers, so no rounding before the division.
    below_twice = 2 * levels.ood_at_most - levels.ood_counts
    return int(levels.id_counts @ below_twice) / (2 * levels.n_id * levels.n_ood)


def _fpr(levels: Levels, tpr: float) -> float:
    rejected = levels.n_id - needed_count(levels.n_id, tpr)  # ID samples that may fall below
    threshold = int(np.searchsorted(levels.id_at_most, rejected, side="right"))
    below = levels.ood_at_most[threshold] - levels.ood_counts[threshold]
    return int(levels.n_ood - below) / levels.n_ood


def _fpr_ood(levels: Levels, tpr: float) -> float:
    threshold = int(np.searchsorted(levels.ood_at_most, needed_count(levels.n_ood, tpr)))
    return int(levels.id_at_most[threshold]) / levels.n_id


def _aupr_in(levels: Levels) -> float:
    id_accepted = levels.n_id - levels.id_at_most + levels.id_counts
    accepted = id_accepted + levels.n_ood - levels.ood_at_most + levels.ood_counts
    return float(levels.id_counts @ (id_accepted / accepted)) / levels.n_id


def _aupr_out(levels: Levels) -> float:
    precision = levels.ood_at_most / (levels.id_at_most + levels.ood_at_most)
    return float(levels.ood_counts @ precision) / levels.n_ood
