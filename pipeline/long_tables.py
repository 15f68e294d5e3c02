"""A long table in Parquet with metadata in JSON: written whole, and read with its faults named."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.parquet_files import write_parquet

INTEGER = (pl.Int64, pl.Int32)
FLOAT = (pl.Float64, pl.Float32)
TEXT = (pl.String,)
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


def write_table(path: Path, frame: pl.DataFrame, metadata: Mapping[str, Any]) -> None:
    """Write a table whole; equal tables with equal metadata give equal bytes."""
    told = {key: json.dumps(value, sort_keys=True) for key, value in sorted(metadata.items())}
    write_parquet(path, frame, metadata=told)


def read_table(path: Path, columns: Mapping[str, tuple[Any, ...]]) -> pl.DataFrame:
    """Return the table.

    Args:
        path: ``<backbone>/<dataset>.parquet``.
        columns: The data types that each column may have.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If it is no Parquet file, or a column is missing, of another type, or has gaps.
    """
    frame = _parsed(path, pl.read_parquet)
    if missing := sorted(set(columns) - set(frame.columns)):
        raise ValueError(
            f"{path} must have the columns {sorted(columns)}, lacks {missing}; {again(path)}"
        )
    for name, kinds in columns.items():
        if frame.schema[name] not in kinds:
            listed = " or ".join(str(kind) for kind in kinds)
            raise ValueError(
                f"column '{name}' of {path} must be {listed}, got {frame.schema[name]}; "
                f"{again(path)}"
            )
        if gaps := frame[name].null_count():
            raise ValueError(
                f"column '{name}' of {path} must have a value in every row, {gaps} have none; "
                f"{again(path)}"
            )
    return frame


def read_metadata(path: Path, key: str) -> dict[str, Any]:
    """Return one entry of a table's metadata, empty where it has none.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If the table is no Parquet file, or the entry is no mapping in JSON.
    """
    text = _parsed(path, pl.read_parquet_metadata).get(key, "{}")
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(
            f"'{key}' in the metadata of {path} must be a mapping in JSON, got {text[:40]!r}; "
            f"{again(path)}"
        )
    return value


def again(*paths: Path) -> str:
    """How to have the tables written anew."""
    stages = " ".join(f"score@{path.parent.name}-{path.stem}" for path in paths)
    return f"score again: `dvc repro -f {stages}`"


def _parsed(path: Path, read: Any) -> Any:
    if not path.exists():
        raise FileNotFoundError(f"there is no table {path}; run the score stage that writes it")
    try:
        return read(path)
    except _UNREADABLE as error:
        raise ValueError(f"{path} must be a Parquet table ({error}); {again(path)}") from error
