"""The accuracy record: how well each classifier names the ID test images, with intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri

from pipeline.statistics.bootstrap import block_size, draw_counts
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.statistics.metrics import accepted_at_tpr
from pipeline.statistics.replicates import stored


def accuracy_record(
    predictions: Mapping[str, Int[np.ndarray, " n"]],
    labels: Int[np.ndarray, " n"],
    scores: Mapping[str, Float[np.ndarray, " _"]],
    *,
    backbone: str,
    id_name: str,
    not_applicable: Mapping[str, str],
    methods_not_applicable: Mapping[str, str],
    params: EvaluateParams,
) -> dict[str, Any]:
    """Top-1 accuracy of every classifier, and among the images that each method accepts.

    Args:
        predictions: Class numbers by classifier, in row order.
        labels: True class of each ID test image.
        scores: OOD scores of the same images by method.
        backbone: Name of the backbone.
        id_name: Name of the ID set; replicates rest on the same draws as those of evaluation.
        not_applicable: Classifiers this backbone does not have, with reasons.
        methods_not_applicable: Methods that do not apply, with reasons.
        params: Section ``evaluate``.

    Returns:
        Wilson intervals; ``accepted`` holds the accuracy at ``params.tpr`` acceptance by
        classifier and method, its interval for the accepted images as they are.

    Raises:
        ValueError: If there is no image, an image has no label, or scores and labels differ in
            length.
    """
    if len(labels) == 0:
        raise ValueError(f"the ID set '{id_name}' must have at least one predicted image, got none")
    if (labels < 0).any():
        raise ValueError(
            f"every image of the ID set '{id_name}' must have a label, "
            f"row {int(np.argmax(labels < 0))} has none; index it as one folder a class"
        )
    for method, values in scores.items():
        if len(values) != len(labels):
            raise ValueError(
                f"'{method}' must score the {len(labels)} labelled images of '{id_name}', "
                f"got {len(values)} scores"
            )
    correct = {name: values == labels for name, values in sorted(predictions.items())}
    accepted_by = {
        method: accepted_at_tpr(values, tpr=params.tpr) for method, values in sorted(scores.items())
    }
    return {
        "backbone": backbone,
        "id": id_name,
        "n": len(labels),
        "level": params.level,
        "tpr": params.tpr,
        "classifiers": {name: _cell(values, params.level) for name, values in correct.items()},
        "accepted": {
            name: {
                method: _cell(right[accepted], params.level)
                for method, accepted in accepted_by.items()
            }
            for name, right in correct.items()
        },
        "replicates": {
            name: stored(values) for name, values in _replicates(correct, id_name, params).items()
        },
        "not_applicable": dict(not_applicable),
        "methods_not_applicable": dict(methods_not_applicable),
    }


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share by inverting the score test (Wilson, JASA 1927); never leaves [0, 1]."""
    z = float(ndtri((1 + level) / 2))
    share = successes / n
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the formula gives 0 and 1 exactly; rounding must not step over the share.
    return max(0.0, min(share, float(center - half))), min(1.0, max(share, float(center + half)))


def _cell(correct: Bool[np.ndarray, " n"], level: float) -> dict[str, float]:
    low, high = wilson_interval(int(correct.sum()), len(correct), level=level)
    return {"value": float(correct.mean()), "low": low, "high": high}


def _replicates(
    correct: Mapping[str, Bool[np.ndarray, " n"]], id_name: str, params: EvaluateParams
) -> dict[str, Float[np.ndarray, " b"]]:
    """Accuracies on the resampled ID images that the evaluation records rest on too."""
    if not correct:
        return {}
    n = len(next(iter(correct.values())))
    blocks = draw_counts(
        seed=params.seed, name=id_name, n=n, resamples=params.replicates, block=block_size(n)
    )
    right = np.stack(list(correct.values())).astype(np.float64)
    shares = np.concatenate([counts @ right.T / n for counts in blocks])
    return {name: shares[:, i] for i, name in enumerate(correct)}
