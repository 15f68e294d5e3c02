"""Read the records of a study by exact names; a missing or foreign one is an error."""

from pathlib import Path
from typing import Any

import polars as pl

from pipeline.json_text import read_json
from pipeline.report.records import Records, Scope


def read_records(reports: Path, scope: Scope, *, duplicates: tuple[str, ...] = ()) -> Records:
    """Read the records of a study from its reports folder.

    Args:
        reports: Folder that holds ``evaluation/``, ``accuracy/``, ``pseudo_labels/``, ``study/``.
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

    def by_set(kind: str, datasets: tuple[str, ...]) -> dict[str, dict[str, dict[str, Any]]]:
        return {
            backbone: {
                dataset: read_record(
                    reports / kind / backbone / f"{dataset}.json",
                    backbone=backbone,
                    dataset=dataset,
                )
                for dataset in datasets
            }
            for backbone in scope.backbones
        }

    return Records(
        scope=scope,
        evaluations=by_set("evaluation", scope.sets),
        adversarial=by_set("adversarial", scope.crafted),
        accuracies={
            name: read_record(reports / "accuracy" / f"{name}.json", backbone=name)
            for name in scope.backbones
        },
        pseudo_labels={
            name: read_record(reports / "pseudo_labels" / f"{name}.json")
            for name in scope.backbones
        },
        means=read_table(reports / "study" / "results.csv"),
        claims=read_table(reports / "study" / "claims.csv", as_text=True),
        comparisons=read_table(reports / "study" / "comparisons.csv", as_text=True),
        lines=read_table(reports / "study" / "lines.csv"),
        study=read_record(reports / "study.json"),
        duplicates={
            name: read_record(reports / "duplicates" / f"{name}.json") for name in duplicates
        },
    )


def read_record(path: Path, **expected: str) -> dict[str, Any]:
    """Read one JSON record and check that it is about what its name says."""
    record = read_json(path)
    for key, value in expected.items():
        if record.get(key, value) != value:
            raise ValueError(
                f"{path} must be about {key} '{value}', but it says '{record[key]}'; "
                "remake it with `dvc repro`"
            )
    return record


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
