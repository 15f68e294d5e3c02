"""The index of a data set on disk: one row an image, in the order every later store keeps.

Columns: ``row`` (0 to n - 1; null for an excluded image), ``path`` (relative to the data set,
'/' separators), ``label`` (-1: none), ``class_name`` ("": none), ``sha256`` (of the file's
bytes, hexadecimal; null where not hashed), ``error`` (why the image is excluded, else null).
Nothing in it depends on the machine: where the data set lies is a parameter. Only without content
hashes a column ``place`` says it, with a hash of the files' sizes and times, for then nothing else
tells two folders of equal names apart, or a file from the one that was there before.
"""

from pathlib import Path

import polars as pl

from pipeline.parquet_files import write_parquet

SCHEMA = pl.Schema(
    {
        "row": pl.Int64,
        "path": pl.String,
        "label": pl.Int32,
        "class_name": pl.String,
        "sha256": pl.String,
        "error": pl.String,
    }
)


class IndexFileError(ValueError):
    """An index that is missing, damaged or of another form; the message names the cure."""


def write_index(path: Path, index: pl.DataFrame) -> None:
    """Number the images without an error from 0, in the given order, and write all rows whole.

    Further columns, such as how an image was made, are kept behind those of the schema.
    """
    extractable = pl.col("error").is_null()
    numbered = index.with_columns(
        row=pl.when(extractable).then(extractable.cast(pl.Int64).cum_sum() - 1)
    )
    further = [name for name in index.columns if name not in SCHEMA]
    table = numbered.select(*(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()), *further)
    write_parquet(path, table, compression="zstd", statistics=False)


def read_index(path: Path) -> pl.DataFrame:
    """Read the rows that can be extracted, sorted by ``row``.

    Raises:
        IndexFileError: If the file is missing or damaged, lacks a column, or its rows are not
            0 to n - 1.
    """
    table = _read(path).filter(pl.col("error").is_null())
    if not table["row"].is_sorted():
        table = table.sort("row")
    if not (table["row"] == pl.arange(0, len(table), eager=True)).all() or table["row"].has_nulls():
        raise IndexFileError(
            f"the rows of '{path}' must be 0 to {len(table) - 1}, each once; {_CURE}"
        )
    return table


def read_excluded(path: Path) -> pl.DataFrame:
    """Read the images left out as unreadable: ``path`` and ``error``."""
    return _read(path).filter(pl.col("error").is_not_null()).select("path", "error")


_CURE = "index the data set again (dvc repro -f with the name of its index stage)"


def _read(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise IndexFileError(f"there is no index '{path}'; {_CURE}")
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise IndexFileError(f"'{path}' is no readable Parquet file ({error}); {_CURE}") from error
    wrong = [name for name, dtype in SCHEMA.items() if table.schema.get(name) != dtype]
    if wrong:
        raise IndexFileError(f"'{path}' has no column '{wrong[0]}' of the right type; {_CURE}")
    return table
