"""The study as nested numbers for `dvc metrics`: no lists, no empty values, stable keys."""

from typing import Any

import polars as pl

from pipeline.findings.cells import Cell
from pipeline.findings.claim_line import LineClaim, every_line
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import StudyRecords
from pipeline.findings.study_tables import adversarial_table, paired


def study_numbers(records: StudyRecords, params: StudyParams) -> dict[str, Any]:
    """Return the measured numbers of claims a to d; what was not run or has no value is absent.

    Keys: ``a.<set or mean>.r2``, ``b.<backbone>.<score>.<mean>.difference``,
    ``c.<backbone>.<score>.<mean>.difference``, ``d.<backbone>.<crafted set>.clean`` and
    ``.crafted``.
    """
    groups = records.scope.groups
    numbers: dict[str, Any] = {
        "a": {
            name: _line(result)
            for name, result in every_line(records, params).items()
            if isinstance(result, LineClaim)
        },
        "b": {
            backbone: {
                method: {
                    name: _interval(cell)
                    for name, sets in groups.items()
                    if (cell := paired(records, backbone, sets, method, params.mcm))
                }
                for method in params.plp
            }
            for backbone in records.scope.backbones
        },
        "c": {
            backbone: {
                probe: {
                    name: _interval(records.difference(one, other))
                    for name, sets in groups.items()
                    if (one := records.mean(backbone, sets, probe))
                    and (other := records.mean(tuned, sets, score))
                }
                for probe, score in zip(params.probe, params.finetuned_scores, strict=True)
            }
            for backbone, tuned in params.finetuned.items()
            if {backbone, tuned} <= set(records.scope.backbones)
        },
        "d": {},
    }
    attacks = adversarial_table(records).filter(
        pl.col("method") == params.nearest, pl.col("metric") == "auroc"
    )
    for row in attacks.iter_rows(named=True):
        numbers["d"].setdefault(row["backbone"], {})[row["dataset"]] = {
            name: row[name] for name in ("clean", "crafted", "change", "low", "high")
        }
    return _without_empty(numbers)


def _line(result: LineClaim) -> dict[str, float | int]:
    numbers: dict[str, float | int] = {
        "backbones": result.line.n,
        "r2": result.line.r2,
        "slope": result.line.slope,
    }
    for name in ("fisher", "bootstrap", "images"):
        if ends := getattr(result, name):
            numbers |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return numbers


def _interval(cell: Cell) -> dict[str, float]:
    return {"difference": cell.value, "low": cell.low, "high": cell.high}


def _without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item != {}}
