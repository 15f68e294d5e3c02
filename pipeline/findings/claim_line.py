"""Claim a: does ID accuracy foretell OOD detection over CLIP models?"""

from dataclasses import dataclass

import numpy as np

from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import StudyRecords
from pipeline.statistics.regression import (
    Line,
    bootstrap_interval,
    fisher_interval,
    fit_line,
    measurement_interval,
)


@dataclass(frozen=True)
class LineClaim:
    """The line over the CLIP backbones and the intervals of its R².

    Attributes:
        backbones: The points.
        line: Least-squares line of AUROC (`nearest`) on ID accuracy (`classifier`), as fractions.
        fisher: Interval over backbones by Fisher's transformation, from four points on.
        bootstrap: Interval over resampled backbones, from four points on.
        images: Interval over resampled images for just these backbones: how much of R² is the
            luck of the test sets. Nothing where no resample has an R².
    """

    backbones: tuple[str, ...]
    line: Line
    fisher: tuple[float, float] | None
    bootstrap: tuple[float, float] | None
    images: tuple[float, float] | None


def every_line(records: StudyRecords, params: StudyParams) -> dict[str, LineClaim | str]:
    """The line of each named mean and of each OOD set, or why there is none."""
    scope = records.scope
    sets = scope.groups | {dataset: (dataset,) for dataset in scope.ood}
    return {name: line_claim(records, params, members) for name, members in sets.items()}


def line_claim(
    records: StudyRecords, params: StudyParams, sets: tuple[str, ...]
) -> LineClaim | str:
    """Fit the line for the mean AUROC over some OOD sets, or say what is missing."""
    points = {}
    for backbone in records.scope.backbones:
        if backbone in params.clip:
            accuracy = records.accuracy(backbone, params.classifier)
            area = records.mean(backbone, sets, params.nearest)
            if accuracy is None or area is None:
                lacking = params.classifier if accuracy is None else params.nearest
                return f"needs {lacking} of {backbone}"
            points[backbone] = accuracy, area
    if len(points) < 3:
        return f"needs at least 3 CLIP backbones of study.clip among backbones, got {len(points)}"
    x = np.array([accuracy.value for accuracy, _ in points.values()])
    y = np.array([area.value for _, area in points.values()])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return f"needs backbones that differ in {'accuracy' if np.ptp(x) == 0 else 'AUROC'}"
    if len(set(zip(x.tolist(), y.tolist(), strict=True))) < 3:
        return "needs backbones at 3 different points, for two always lie on a line"
    line = fit_line(x, y)
    accuracies = np.stack([accuracy.replicates for accuracy, _ in points.values()], axis=1)
    areas = np.stack([area.replicates for _, area in points.values()], axis=1)
    return LineClaim(
        backbones=tuple(points),
        line=line,
        fisher=fisher_interval(line, level=records.level),
        bootstrap=bootstrap_interval(x, y, level=records.level),
        images=measurement_interval(line, accuracies, areas, level=records.level),
    )
