"""The git-tracked records of a study as one value, and the cells the tables ask it for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from pipeline.classifier_names import CLASSIFIERS
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_scope import MEAN, StudyScope, mean_key


def title(key: str) -> str:
    """What a reader sees for a mean or a set: ``mean near`` for ``mean_near``."""
    return key.replace("_", " ", 1) if key.startswith(mean_key("")) else key


@dataclass(frozen=True, kw_only=True)
class ReportScope(StudyScope):
    """A study, and what a report shows of it first.

    Attributes:
        backbone: The headline backbone, one of ``backbones``.
        headline_methods: Rows of the headline table, in this order.
        study: What the claims are about, and the models and scores that they name.
    """

    backbone: str
    headline_methods: tuple[str, ...]
    study: StudyParams

    @property
    def over(self) -> str:
        """What the mean without a name is over, in words."""
        if not self.counts_all:
            return f"{len(self.counted)} of {len(self.ood)} OOD sets"
        return self.ood[0] if len(self.ood) == 1 else "the OOD sets"

    @property
    def averaged(self) -> str:
        """What is shown where one number stands for all OOD sets; of a single set no mean."""
        return f"mean AUROC over {self.over}" if len(self.ood) > 1 else f"AUROC on {self.over}"

    def title(self, key: str) -> str:
        """What a reader sees for a mean or a set; of a single set its name, not ``mean``."""
        return self.ood[0] if key == MEAN and len(self.ood) == 1 else title(key)


@dataclass(frozen=True)
class Records:
    """Everything the tables and figures show; nothing here is computed from images.

    ``evaluations[backbone][dataset]``, ``adversarial[backbone][dataset]`` (crafted sets only),
    ``accuracies[backbone]`` and ``pseudo_labels[backbone]`` are the JSON records as written;
    ``means``, ``claims``, ``comparisons`` and ``lines`` are tables of the study.
    """

    scope: ReportScope
    evaluations: dict[str, dict[str, dict[str, Any]]]
    accuracies: dict[str, dict[str, Any]]
    pseudo_labels: dict[str, dict[str, Any]]
    means: pl.DataFrame
    claims: pl.DataFrame
    comparisons: pl.DataFrame
    lines: pl.DataFrame
    study: dict[str, Any]
    duplicates: dict[str, dict[str, Any]]
    adversarial: dict[str, dict[str, dict[str, Any]]]

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method of the study: the headline ones first, the others by name."""
        found = {
            method
            for sets in self.evaluations.values()
            for record in sets.values()
            for method in (*record["methods"], *record["not_applicable"])
        }
        headline = [method for method in self.scope.headline_methods if method in found]
        return (*headline, *sorted(found - set(headline)))

    @property
    def headline_methods(self) -> tuple[str, ...]:
        """The headline methods in the order of the parameters.

        Raises:
            ValueError: If a method was not evaluated; the message lists the known ones.
        """
        known = self.methods
        for method in self.scope.headline_methods:
            if method not in known:
                raise ValueError(
                    f"report.headline_methods names the unknown method '{method}'; "
                    f"evaluated are: {', '.join(known)}"
                )
        return self.scope.headline_methods

    def applying(self, *backbones: str) -> tuple[str, ...]:
        """Methods that apply to at least one of these backbones, in the order of `methods`."""
        return tuple(
            method
            for method in self.methods
            if any(self.why_not(backbone, method) is None for backbone in backbones)
        )

    @property
    def mean_names(self) -> tuple[str, ...]:
        """The means: the one without a name first, then those of the benchmark."""
        return tuple(self.scope.groups)

    def setting(self, name: str) -> float:
        """Return a number of section ``evaluate`` that the records were made with."""
        first = self.evaluations[self.scope.backbone][self.scope.sets[0]]
        return float(first[name])

    def origin(self, backbone: str) -> dict[str, Any]:
        """What a backbone's numbers rest on (`pipeline.record_origins`)."""
        return self.accuracies[backbone]["origin"]

    def why_not(self, backbone: str, method: str) -> str | None:
        """Return why a method does not apply to a backbone, or nothing where it does."""
        for record in self.evaluations[backbone].values():
            if method in record["not_applicable"]:
                return str(record["not_applicable"][method])
        return None

    def metric(
        self, backbone: str, dataset: str, method: str, metric: str
    ) -> tuple[float | None, float | None, float | None]:
        """Return value, low and high of one cell; all empty where it does not apply."""
        cell = self.evaluations[backbone][dataset]["methods"].get(method, {}).get(metric)
        return interval(cell)

    def mean(
        self, backbone: str, name: str, method: str, metric: str
    ) -> tuple[float | None, float | None, float | None]:
        """Return value, low and high of a metric's mean over the OOD sets of one of the means."""
        return self._mean_cells.get((backbone, name, method, metric), (None, None, None))

    def accuracy(
        self, backbone: str, classifier: str
    ) -> tuple[float | None, float | None, float | None]:
        """Return value, low and high of an ID accuracy; all empty where it does not apply."""
        return interval(self.accuracies[backbone]["classifiers"].get(classifier))

    @property
    def classifiers(self) -> tuple[str, ...]:
        """Every ID classifier of the study, from zero-shot to trained."""
        found = {
            name
            for record in self.accuracies.values()
            for name in (*record["classifiers"], *record["not_applicable"])
        }
        return (*(name for name in CLASSIFIERS if name in found), *sorted(found - set(CLASSIFIERS)))

    @cached_property
    def _mean_cells(self) -> dict[tuple[str, ...], tuple[Any, ...]]:
        """The means by name, looked up once: a study of 20 backbones asks for thousands."""
        columns = ("backbone", "dataset", "method", "metric", "value", "low", "high")
        rows = self.means.select(columns).iter_rows()
        return {tuple(map(str, row[:4])): row[4:] for row in rows}


def interval(cell: dict[str, float] | None) -> tuple[float | None, float | None, float | None]:
    """Return value, low and high of a cell of a record; all empty where there is none."""
    if cell is None:
        return None, None, None
    return cell["value"], cell["low"], cell["high"]
