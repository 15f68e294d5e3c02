"""What belongs to a study: its backbones, sets and means, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.findings.overall_mean import counted_sets, named_means

MEAN = "mean"  # the mean without a name of its own


def mean_key(name: str) -> str:
    """What every table and metric calls the mean that a benchmark names so."""
    return f"{MEAN}_{name}"


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
        return {MEAN: self.counted} | {mean_key(name): sets for name, sets in self.named.items()}

    @property
    def sets(self) -> tuple[str, ...]:
        """Every evaluated set: crafted ones stand beside the means."""
        return (*self.ood, *self.crafted)

    @property
    def counted(self) -> tuple[str, ...]:
        """The OOD sets that the mean without a name counts."""
        return counted_sets(self.ood, self.means)

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """The means with a name of their own."""
        return named_means(self.means)

    @property
    def counts_all(self) -> bool:
        """Whether the mean without a name leaves no OOD set out."""
        return len(self.counted) == len(self.ood)


def study_scope(
    *,
    backbones: Sequence[str],
    benchmark: Mapping[str, Any],
    ood: Sequence[str],
    crafted: Sequence[str],
    datasets: Mapping[str, Any],
) -> StudyScope:
    """Collect the names that say which records belong to a study from sections of params.yaml."""
    return StudyScope(
        benchmark=benchmark["name"],
        backbones=tuple(backbones),
        id_test=benchmark["id_test"],
        ood=tuple(ood),
        crafted={name: datasets[name]["ood"] for name in crafted},
        means={name: tuple(sets) for name, sets in (benchmark.get("means") or {}).items()},
    )
