"""Claim a as a table: R² of every ID/OOD pair and every named mean, or why it has none."""

import polars as pl

from pipeline.findings.claim_line import LineClaim, every_line
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import StudyRecords

LINES = {
    "set": pl.String, "sets": pl.Int64, "backbones": pl.Int64,
    "r2": pl.Float64, "slope": pl.Float64,
    "images_low": pl.Float64, "images_high": pl.Float64,
    "fisher_low": pl.Float64, "fisher_high": pl.Float64,
    "bootstrap_low": pl.Float64, "bootstrap_high": pl.Float64,
    "undefined": pl.String,
}  # fmt: skip


def lines_table(records: StudyRecords, params: StudyParams) -> pl.DataFrame:
    """One row for each mean and then each OOD set, in the order of the parameters.

    ``sets`` counts the OOD sets of a mean. The intervals are those of `LineClaim`, empty where
    there is none; ``undefined`` says why a row has no R².
    """
    groups = records.scope.groups
    rows = []
    for name, result in every_line(records, params).items():
        row = dict.fromkeys(LINES) | {"set": name, "sets": len(groups.get(name, (name,)))}
        if isinstance(result, LineClaim):
            row |= {"backbones": result.line.n, "r2": result.line.r2, "slope": result.line.slope}
            for kind in ("images", "fisher", "bootstrap"):
                low, high = getattr(result, kind) or (None, None)
                row |= {f"{kind}_low": low, f"{kind}_high": high}
        else:
            row["undefined"] = result
        rows.append(row)
    table = pl.DataFrame(rows, schema=LINES)
    return table.with_columns(pl.col(pl.Float64).round(6) + 0.0)
