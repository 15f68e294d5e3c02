"""One row of the claims table, and the words that its cells share."""

from dataclasses import dataclass

from pipeline.findings.cells import Cell
from pipeline.findings.study_records import StudyRecords
from pipeline.percent import points

OVER_IMAGES = "paired bootstrap over images"
OF_ONE_SET = "of the paired test on the one set"


@dataclass(frozen=True)
class Claim:
    """One row of the claims table; every cell is ready to be read.

    ``on`` says in words what was measured; ``of`` and ``mean`` name the same backbones and the
    mean over OOD sets (as in the long tables), so that rows can be set side by side.
    """

    claim: str
    statement: str
    paper: str
    ours: str
    low: str = ""
    high: str = ""
    interval: str = ""
    p: str = ""
    on: str = ""
    of: str = ""
    mean: str = ""


def difference(cell: Cell) -> tuple[str, str, str]:
    """Write a difference of AUROCs and both ends in points, with their signs."""
    return points(cell.value), points(cell.low), points(cell.high)


def where(records: StudyRecords, group: str) -> str:
    """Name the mean that a number is, and say of how many OOD sets."""
    scope, count = records.scope, len(records.scope.groups[group])
    sets = "1 OOD set" if count == 1 else f"{count} OOD sets"
    if group == "mean" and count < len(scope.ood):
        sets = f"{count} of {len(scope.ood)} OOD sets"
    return f"{scope.benchmark}, {group.replace('_', ' ', 1)} ({sets})"
