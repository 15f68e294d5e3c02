"""Claim a set by set: how well ID accuracy foretells OOD detection, and how sure that is."""

from typing import Any

from pipeline.percent import NOT_APPLICABLE
from pipeline.report.records import Records, title
from pipeline.report.tables import Table


def lines_table(records: Records) -> Table:
    """R², slope and both intervals of every named mean and every ID/OOD pair.

    Without a single line the table has no row: the claims table says what a line needs.
    """
    study = records.scope.study
    found = list(records.lines.iter_rows(named=True))
    rows = tuple(
        (
            title(row["set"]),
            _number(row["r2"], "{:.3f}"),
            _number(row["slope"], "{:+.2f}"),
            _interval(row, "images"),
            _interval(row, "fisher"),
            str(row["backbones"] or NOT_APPLICABLE),
        )
        for row in found
    )
    absent = [f"{row['set']} {row['undefined']}" for row in found if row["undefined"]]
    return Table(
        title="R² by set",
        header=(
            "set",
            "R²",
            "slope",
            "interval over images",
            "interval over backbones",
            "CLIP backbones",
        ),
        rows=rows if len(absent) < len(found) else (),
        note=(
            f"Least-squares line of {study.nearest} AUROC on {study.classifier} ID accuracy over "
            "the CLIP backbones of the study; the slope is the points of AUROC for a point of "
            "accuracy. "
            f"{100 * records.setting('level'):g} % intervals of R²: over resampled images for just "
            "these backbones, and over backbones by Fisher's transformation, which needs at least "
            "4; that of resampled backbones stands in study/lines.csv."
            + (f" No line: {'; '.join(absent)}." if absent else "")
        ),
    )


def _interval(row: dict[str, Any], kind: str) -> str:
    low, high = row[f"{kind}_low"], row[f"{kind}_high"]
    if low is None or high is None:
        return NOT_APPLICABLE
    return f"{low:.3f}–{high:.3f}"


def _number(value: float | None, form: str) -> str:
    return NOT_APPLICABLE if value is None else form.format(value)
