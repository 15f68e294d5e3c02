"""The evaluation record: every metric of every method on one OOD set, with intervals.

The record is kept in git and holds bootstrap replicates, so that means over sets and differences
between methods and backbones get joint intervals from records alone, without scores or images.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.statistics.bootstrap import bootstrap
from pipeline.statistics.comparison import paired_comparison
from pipeline.statistics.curves import histogram, roc_points
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.statistics.levels import count_levels
from pipeline.statistics.metric_cells import metric_cells
from pipeline.statistics.metrics import class_breakdown
from pipeline.statistics.replicates import stored

REPLICATED = ("auroc", "fpr95")

Scores = Mapping[str, Float[np.ndarray, " _"]]
Replicates = Mapping[str, Mapping[str, Float[np.ndarray, " b"]]]  # by method and metric


def evaluation_record(
    scores_id: Scores,
    scores_ood: Scores,
    *,
    backbone: str,
    id_name: str,
    ood_name: str,
    not_applicable: Mapping[str, str],
    class_names: Sequence[str],
    params: EvaluateParams,
) -> dict[str, Any]:
    """Evaluate every method that scored both sets; see the module docstring.

    Args:
        scores_id: ID scores by method, in row order.
        scores_ood: OOD scores by the same methods, in row order.
        backbone: Name of the backbone.
        id_name: Name of the ID set; with the seed it fixes the resampled ID images.
        ood_name: Name of the OOD set.
        not_applicable: Reasons of the methods that do not apply to the backbone.
        class_names: Class of each OOD image; a breakdown is made where they differ.
        params: Section ``evaluate``.

    Raises:
        ValueError: If the two sets were scored by different methods, a compared method is
            unknown, or a set has a single image.
    """
    _check_methods(scores_id, scores_ood, not_applicable, params)
    _check_sizes(scores_id, id_name)
    _check_sizes(scores_ood, ood_name)
    replicates = bootstrap(
        scores_id,
        scores_ood,
        id_name=id_name,
        ood_name=ood_name,
        resamples=params.resamples,
        seed=params.seed,
        tpr=params.tpr,
    )
    record: dict[str, Any] = {
        "backbone": backbone,
        "dataset": ood_name,
        "id": id_name,
        "n_id": _size(scores_id),
        "n_ood": len(class_names),
        "tpr": params.tpr,
        "level": params.level,
        "not_applicable": dict(not_applicable),
        **_by_method(scores_id, scores_ood, replicates, params),
        "comparisons": _comparisons(scores_id, scores_ood, replicates, params),
    }
    if len(set(class_names)) > 1:
        record["classes"] = _classes(scores_id, scores_ood, list(class_names), params)
    return record


def _by_method(
    scores_id: Scores, scores_ood: Scores, replicates: Replicates, params: EvaluateParams
) -> dict[str, Any]:
    """Metrics, kept replicates and curves of each method, and the methods of a single value."""
    told: dict[str, Any] = {
        "constant": [],
        "methods": {},
        "replicates": {},
        "roc": {},
        "histogram": {},
    }
    for method in sorted(scores_id):
        pair = scores_id[method], scores_ood[method]
        levels = count_levels(*pair)
        if levels.constant:
            told["constant"].append(method)
        told["methods"][method] = metric_cells(
            pair, replicates[method], tpr=params.tpr, level=params.level
        )
        told["replicates"][method] = {
            name: stored(replicates[method][name][: params.replicates]) for name in REPLICATED
        }
        fpr, tpr = roc_points(levels)
        told["roc"][method] = {"fpr": fpr.round(4).tolist(), "tpr": tpr.round(4).tolist()}
        names = ("edges", "id", "ood")
        told["histogram"][method] = {
            name: part.tolist() for name, part in zip(names, histogram(*pair), strict=True)
        }
    return told


def _comparisons(
    scores_id: Scores, scores_ood: Scores, replicates: Replicates, params: EvaluateParams
) -> dict[str, Any]:
    """Each pair of ``evaluate.compare`` whose methods both apply, on the same images."""
    return {
        f"{first}-{second}": {
            "first": first,
            "second": second,
            **paired_comparison(
                (scores_id[first], scores_ood[first]),
                (scores_id[second], scores_ood[second]),
                fpr_replicates=replicates[first]["fpr95"] - replicates[second]["fpr95"],
                tpr=params.tpr,
                level=params.level,
            ),
        }
        for first, second in params.compare
        if first in scores_id and second in scores_id
    }


def _classes(
    scores_id: Scores, scores_ood: Scores, class_names: list[str], params: EvaluateParams
) -> dict[str, Any]:
    """The metrics of each OOD class against all ID images, by the methods asked for."""
    chosen = params.class_methods if params.class_methods is not None else sorted(scores_id)
    return {
        method: class_breakdown(
            scores_id[method],
            scores_ood[method],
            class_names,
            tpr=params.tpr,
            level=params.level,
        )
        for method in chosen
        if method in scores_id
    }


def _size(scores: Scores) -> int:
    return len(next(iter(scores.values()))) if scores else 0


def _check_sizes(scores: Scores, name: str) -> None:
    if scores and _size(scores) < 2:
        raise ValueError(
            f"'{name}' must have at least 2 images, for an interval rests on their spread, got "
            f"{_size(scores)}; add images to the set or leave it out"
        )


def _check_methods(
    scores_id: Scores,
    scores_ood: Scores,
    not_applicable: Mapping[str, str],
    params: EvaluateParams,
) -> None:
    if differing := sorted(set(scores_id) ^ set(scores_ood)):
        raise ValueError(
            f"both sets must be scored by the same methods, only one has {', '.join(differing)}; "
            "score both again"
        )
    known = sorted({*scores_id, *not_applicable})
    named = [*(name for pair in params.compare for name in pair), *(params.class_methods or [])]
    if unknown := [name for name in named if name not in known]:
        raise ValueError(
            f"section evaluate names the unknown method '{unknown[0]}'; known: {', '.join(known)}"
        )
