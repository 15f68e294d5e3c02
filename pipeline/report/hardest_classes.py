"""Which classes of OOD images are told apart worst."""

from typing import Any

from pipeline.percent import percent
from pipeline.report.records import Records
from pipeline.report.table_notes import intervals
from pipeline.report.tables import Table
from pipeline.statistics.accuracy import wilson_interval


def classes_table(records: Records, *, shown: int = 3) -> Table:
    """The OOD classes that the first headline method tells apart worst, of each OOD set."""
    method = records.headline_methods[0]
    level = records.setting("level")
    rows = []
    for dataset, record in records.evaluations[records.scope.backbone].items():
        classes = record.get("classes", {}).get(method, {})
        worst = sorted(classes.items(), key=lambda item: (item[1]["auroc"], item[0]))[:shown]
        rows += [
            (
                dataset,
                name,
                str(cell["n"]),
                percent(cell["auroc"], cell.get("low"), cell.get("high")),
                percent(cell["fpr95"], *wilson_interval(_count(cell), cell["n"], level=level)),
            )
            for name, cell in worst
        ]
    return Table(
        title=f"Hardest OOD classes, {records.scope.backbone}, {method}",
        header=("set", "class", "images", "AUROC", "fpr95"),
        rows=tuple(rows),
        note=f"The {shown} of lowest AUROC of each set that has classes, against all ID images. "
        f"{intervals(records)} DeLong's of AUROC, Wilson's of fpr95 with the threshold as it is, "
        "each of one class alone: the lowest of many are low by chance too. Every class and method "
        f"stands in reports/evaluation/{records.scope.backbone}/.",
    )


def _count(cell: dict[str, Any]) -> int:
    """OOD images of a class that are accepted."""
    return round(cell["fpr95"] * cell["n"])
