"""The records of every backbone and OOD set, read by exact names, with joint replicates.

Replicate r of every record rests on the same ID images, so means over sets and differences
between methods and backbones are formed replicate by replicate.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.findings.overall_mean import OVERALL, counted_sets, named_means
from pipeline.json_text import read_json
from pipeline.statistics.bootstrap import percentile_interval
from pipeline.statistics.replicate_test import STILL, replicate_interval
from pipeline.statistics.replicates import restored
from pipeline.statistics.unmoved_metrics import no_surer_than_perfect

_INTERVAL = ("value", "low", "high")


@dataclass(frozen=True)
class StudyParams:
    """Section ``study``.

    Attributes:
        family: Backbones computed besides the headline one.
        clip: CLIP models without fine-tuning, the points of claim a.
        finetuned: For claim c, the fine-tuned counterpart of a CLIP backbone.
        classifier: Whose ID accuracy claim a takes.
        nearest: The unsupervised score of claims a, d and e.
        plp: Scores of the PLP head, compared with `mcm` in claim b.
        mcm: The zero-shot score of claim b.
        probe: Scores of the LP head, each compared with its namesake of claim c.
        finetuned_scores: Scores of the fine-tuned classifier, in the order of `probe`.
        means: Means of the benchmark that claims a to c are judged over, each a reading of the
            paper's; every mean if none is named.
    """

    family: list[str]
    clip: list[str]
    finetuned: dict[str, str] = field(default_factory=dict)
    classifier: str = "knn_20"
    nearest: str = "knn_1"
    plp: tuple[str, ...] = ("plp_msp", "plp_energy")
    mcm: str = "mcm"
    probe: tuple[str, ...] = ("lp_msp", "lp_energy")
    finetuned_scores: tuple[str, ...] = ("ft_msp", "ft_energy")
    means: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyScope:
    """Which records belong to the study: names, never a listing of a folder.

    Attributes:
        benchmark: Name of the benchmark.
        backbones: Every compared backbone.
        id_test: The ID test set.
        ood: The OOD sets, which the means count.
        crafted: Each adversarial set with the OOD set its images came from.
        means: Named means and their OOD sets; ``overall`` says what the mean without a name counts.
    """

    benchmark: str
    backbones: tuple[str, ...]
    id_test: str
    ood: tuple[str, ...]
    crafted: dict[str, str] = field(default_factory=dict)
    means: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The means by the name they have in tables: ``mean`` over all sets, ``mean_<name>``."""
        named = named_means(self.means)
        overall = counted_sets(self.ood, self.means)
        return {"mean": overall} | {f"mean_{name}": sets for name, sets in named.items()}


@dataclass(frozen=True)
class Cell:
    """A number with its interval, the replicates behind both, and of how many OOD sets it is."""

    value: float
    low: float
    high: float
    replicates: Float[np.ndarray, " b"]
    sets: int = 0


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
        """Mean of a per-set metric over OOD sets; nothing where the method does not apply.

        Where no replicate moves, its interval is the mean of the sets' own: percentiles would
        claim certainty, where records of perfect or constant scores know a bound. Nor is it ever
        surer than a mean of perfect scores.
        """
        records = [self.evaluations[backbone][dataset] for dataset in sets]
        if not all(method in record["methods"] for record in records):
            return None
        cells = [record["methods"][method][metric] for record in records]
        value, low, high = (
            float(np.mean([c[key] for c in cells])) for key in ("value", "low", "high")
        )
        stored = [restored(record["replicates"][method][metric]) for record in records]
        if len(sets) == 1:  # the set's own interval, from all resamples: one number, one interval
            return Cell(value, low, high, stored[0], sets=1)
        low, high = self._ends(value, np.mean(stored, axis=0), still=(low, high))
        perfect = [
            no_surer_than_perfect(
                metric, (value, value), n_id=record["n_id"], n_ood=record["n_ood"], level=self.level
            )
            for record in records
        ]
        floor, ceiling = np.mean(perfect, axis=0)
        ends = min(low, float(floor)), max(high, float(ceiling))
        return Cell(value, *ends, np.mean(stored, axis=0), sets=len(sets))

    def difference(self, first: Cell, second: Cell) -> Cell:
        """First minus second on the same draws; where none moves, what both intervals allow.

        On a single set the interval is that of the test there (`replicate_interval`), so that the
        row of the set and the mean over it alone say the same.
        """
        still = first.low - second.high, first.high - second.low
        replicates = first.replicates - second.replicates
        value = first.value - second.value
        ends = self._ends(value, replicates, still=still)
        if first.sets == second.sets == 1 and np.ptp(replicates) > STILL:
            ends = replicate_interval(value, replicates, level=self.level)
        return Cell(value, *ends, replicates, sets=min(first.sets, second.sets))

    def accuracy(self, backbone: str, classifier: str) -> Cell | None:
        """ID accuracy of a classifier; nothing where the backbone does not have it."""
        record = self.accuracies[backbone]
        if classifier not in record["classifiers"]:
            return None
        cell = record["classifiers"][classifier]
        stored = restored(record["replicates"][classifier])
        return Cell(cell["value"], cell["low"], cell["high"], stored)

    def _ends(
        self, value: float, replicates: Float[np.ndarray, " b"], *, still: tuple[float, float]
    ) -> tuple[float, float]:
        """Percentiles, and ``still`` where they have no width; stored steps round them."""
        low, high = percentile_interval(replicates, level=self.level)
        if high - low < STILL:
            low, high = still
        return min(low, value), max(high, value)


def read_study(reports: Path, scope: StudyScope) -> StudyRecords:
    """Read every record of the study.

    Raises:
        FileNotFoundError: If a record is missing; the message names it.
        ValueError: If a record is of another backbone, set or ID set, records were made with
            different settings, or a mean names a set that is not evaluated.
    """
    _check_groups(scope)
    evaluations = {
        backbone: {
            dataset: _read(
                reports / "evaluation" / backbone / f"{dataset}.json",
                {"backbone": backbone, "dataset": dataset, "id": scope.id_test},
            )
            for dataset in (*scope.ood, *scope.crafted)  # crafted ones stand beside the means
        }
        for backbone in scope.backbones
    }
    accuracies = {
        backbone: _read(
            reports / "accuracy" / f"{backbone}.json", {"backbone": backbone, "id": scope.id_test}
        )
        for backbone in scope.backbones
    }
    adversarial = {
        backbone: {
            dataset: _read(
                reports / "adversarial" / backbone / f"{dataset}.json",
                {"backbone": backbone, "dataset": dataset, "ood": source},
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


def _check_groups(scope: StudyScope) -> None:
    if not scope.ood:
        raise ValueError("matrix.ood must name at least one OOD set, got none")
    if "all" in scope.means:
        raise ValueError(
            "benchmark.means must not name a mean 'all', which is the mean over every OOD set; "
            f"name it '{OVERALL}' to say which sets that mean counts, or choose another name"
        )
    for name, sets in scope.means.items():
        wrong = [dataset for dataset in sets if dataset not in scope.ood]
        if wrong or not sets:
            raise ValueError(
                f"benchmark.means.{name} must name sets among {', '.join(scope.ood)}, "
                f"got {wrong[0] if wrong else 'none'}"
            )


def _read(path: Path, expected: dict[str, str]) -> dict[str, Any]:
    record = read_json(path)
    for key, value in expected.items():
        if record.get(key) != value:
            raise ValueError(
                f"{path} must be the record of {key} '{value}', got {record.get(key)!r}; "
                "run `dvc repro` to evaluate it again"
            )
    return record
