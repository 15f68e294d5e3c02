"""The records of every backbone and OOD set, read by exact names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.findings.cells import Cell, difference_cell, mean_cell
from pipeline.findings.overall_mean import check_means
from pipeline.findings.record_reading import read_record
from pipeline.findings.study_scope import StudyScope
from pipeline.statistics.replicates import restored


@dataclass(frozen=True)
class StudyRecords:
    """What the stages wrote, in the same shape.

    ``evaluations[backbone][dataset]``, ``accuracies[backbone]``, and
    ``adversarial[backbone][crafted set]``.
    """

    scope: StudyScope
    evaluations: dict[str, dict[str, dict[str, Any]]]
    accuracies: dict[str, dict[str, Any]]
    adversarial: dict[str, dict[str, dict[str, Any]]]
    level: float

    def mean(
        self, backbone: str, sets: tuple[str, ...], method: str, metric: str = "auroc"
    ) -> Cell | None:
        """Mean of a per-set metric over OOD sets; nothing where the method does not apply."""
        records = [self.evaluations[backbone][dataset] for dataset in sets]
        if not all(method in record["methods"] for record in records):
            return None
        return mean_cell(records, method, metric, level=self.level)

    def difference(self, first: Cell, second: Cell) -> Cell:
        """First minus second on the same draws (`difference_cell`)."""
        return difference_cell(first, second, level=self.level)

    def accuracy(self, backbone: str, classifier: str) -> Cell | None:
        """ID accuracy of a classifier; nothing where the backbone does not have it."""
        record = self.accuracies[backbone]
        if classifier not in record["classifiers"]:
            return None
        cell = record["classifiers"][classifier]
        stored = restored(record["replicates"][classifier])
        return Cell(cell["value"], cell["low"], cell["high"], stored)


def read_study(reports: Path, scope: StudyScope) -> StudyRecords:
    """Read every record of the study.

    Raises:
        FileNotFoundError: If a record is missing; the message names it.
        ValueError: If a record is of another backbone, set or ID set, records were made with
            different settings, or a mean names a set that is not evaluated.
    """
    if not scope.ood:
        raise ValueError("matrix.ood must name at least one OOD set, got none")
    check_means(scope.means, scope.ood)
    evaluations = {
        backbone: {
            dataset: read_record(
                reports / "evaluation" / backbone / f"{dataset}.json",
                backbone=backbone,
                dataset=dataset,
                id=scope.id_test,
            )
            for dataset in scope.sets
        }
        for backbone in scope.backbones
    }
    accuracies = {
        backbone: read_record(
            reports / "accuracy" / f"{backbone}.json", backbone=backbone, id=scope.id_test
        )
        for backbone in scope.backbones
    }
    adversarial = {
        backbone: {
            dataset: read_record(
                reports / "adversarial" / backbone / f"{dataset}.json",
                backbone=backbone,
                dataset=dataset,
                ood=source,
            )
            for dataset, source in scope.crafted.items()
        }
        for backbone in scope.backbones
    }
    records = [record for sets in evaluations.values() for record in sets.values()]
    settings = {
        (record["level"], record["tpr"], len(values))
        for record in (*records, *accuracies.values())
        for entry in record["replicates"].values()
        for values in (entry.values() if isinstance(entry, dict) else [entry])
    }
    if len(settings) > 1:
        raise ValueError(
            "every record must have the same level, tpr and number of replicates, got "
            f"{sorted(settings)}; run `dvc repro` so that all are evaluated with section evaluate"
        )
    level = min(settings)[0] if settings else 0.95
    return StudyRecords(scope, evaluations, accuracies, adversarial, level)
