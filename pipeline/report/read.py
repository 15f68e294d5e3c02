"""Read the records of a study by exact names; a missing or foreign one is an error."""

from pathlib import Path

import polars as pl

from pipeline.findings.record_reading import read_record
from pipeline.findings.study_records import read_study
from pipeline.report.records import Records, ReportScope


def read_records(reports: Path, scope: ReportScope, *, duplicates: tuple[str, ...] = ()) -> Records:
    """Read the records of a study from its reports folder.

    Args:
        reports: Folder that holds ``evaluation/``, ``accuracy/``, ``pseudo_labels/``, ``study/``
            and ``results.csv``.
        scope: Names of backbones and OOD sets.
        duplicates: Names of the duplicate reports to quote.

    Raises:
        FileNotFoundError: If a record is missing; the message names it and the cure.
        ValueError: If a record is no JSON, or speaks of another backbone or data set.
    """
    if scope.backbone not in scope.backbones:
        raise ValueError(
            f"backbone '{scope.backbone}' must be one of backbones: {', '.join(scope.backbones)}"
        )

    study = read_study(reports, scope)
    return Records(
        scope=scope,
        evaluations=study.evaluations,
        adversarial=study.adversarial,
        accuracies=study.accuracies,
        pseudo_labels={
            name: read_record(reports / "pseudo_labels" / f"{name}.json", backbone=name)
            for name in scope.backbones
        },
        means=read_table(reports / "results.csv"),
        claims=read_table(reports / "study" / "claims.csv", as_text=True),
        comparisons=read_table(reports / "study" / "comparisons.csv", as_text=True),
        lines=read_table(reports / "study" / "lines.csv"),
        study=read_record(reports / "study.json"),
        duplicates={
            name: read_record(reports / "duplicates" / f"{name}.json") for name in duplicates
        },
    )


def read_table(path: Path, *, as_text: bool = False) -> pl.DataFrame:
    """Read one CSV table of the study; `as_text` keeps its numbers as they are written.

    Raises:
        FileNotFoundError: If it is missing; the message names it and the cure.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no table {path}; run `dvc repro` so that study writes it"
        )
    return pl.read_csv(path, infer_schema=not as_text, infer_schema_length=None)
