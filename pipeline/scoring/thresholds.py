"""From which score an image is accepted, by the scores of the ID test images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pipeline.detectors.detector import Detector
from pipeline.long_tables import again
from pipeline.scores import method_settings
from pipeline.statistics.metrics import accepted_at_tpr
from pipeline.table_origins import read_origin
from pipeline.tables import read_scores


class Thresholds(NamedTuple):
    """What a score table of ID test images says.

    Attributes:
        table: The file.
        dataset: The images it is of.
        images: How many.
        accept: Share of them that is accepted at least.
        values: Threshold by method; an image is accepted where its score is not below.
        not_applicable: Methods without scores, with the reason.
    """

    table: Path
    dataset: str
    images: int
    accept: float
    values: dict[str, float]
    not_applicable: dict[str, str]


def read_thresholds(
    table: Path, detector: Detector, methods: Mapping[str, Any], *, accept: float
) -> Thresholds:
    """Read the scores of the ID test set and take the threshold of each method.

    Args:
        table: ``data/scores/<backbone>/<id_test>.parquet``.
        detector: That new images will be scored by.
        methods: Section ``methods``, by which they will be scored.
        accept: Share of the ID test images to accept.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If another detector or other settings made the table, or `accept` is no share.
    """
    if not 0 < accept <= 1:
        raise ValueError(f"the share to accept must be in (0, 1], got {accept}; 95 % is 0.95")
    origin = read_origin(table)
    settings = json.loads(json.dumps(method_settings(methods)))  # as the table keeps them
    if origin["detector"] != detector.sha256 or origin["backbone"] != detector.backbone:
        raise ValueError(
            f"{table} must come from the detector that scores the images, {detector.sha256[:12]} "
            f"of {detector.backbone}, but is of {origin['detector'][:12]}; {again(table)}"
        )
    if origin.get("methods") != settings:
        raise ValueError(f"{table} was scored with other settings of the methods; {again(table)}")
    scores, reasons = read_scores(table)
    values = {name: threshold(of_method, accept=accept) for name, of_method in scores.items()}
    images = max((len(of_method) for of_method in scores.values()), default=0)
    return Thresholds(table, origin["dataset"], images, accept, values, reasons)


def threshold(scores_id: Float[np.ndarray, " n"], *, accept: float) -> float:
    """The highest observed score that accepts at least a share of the ID images, as fpr95 does."""
    return float(scores_id[accepted_at_tpr(scores_id, tpr=accept)].min())


def chosen_methods(
    wanted: Sequence[str], methods: Mapping[str, Any], thresholds: Thresholds
) -> list[str]:
    """The wanted methods, each once.

    Args:
        wanted: Names in the tables, such as ``knn_1``; ``all`` is every method that applies.
        methods: Section ``methods``.
        thresholds: Of the methods that apply.

    Raises:
        ValueError: If a name is unknown, or does not apply to this backbone; lists those that do.
    """
    there = [name for name in method_settings(methods) if name in thresholds.values]
    for name in wanted:
        if name not in there and name != "all":
            why = thresholds.not_applicable.get(name)
            told = f"'{name}' does not apply ({why})" if why else f"unknown method '{name}'"
            raise ValueError(f"{told}; scored are: {', '.join(there)}")
    return there if "all" in wanted else list(dict.fromkeys(wanted))
