"""Parquet files, written whole."""

import io
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.files import write_bytes


def write_parquet(path: Path, table: pl.DataFrame, **options: Any) -> None:
    """Write a table whole or not at all; memory holds the file once.

    Polars gets no path: of a full disk it tells by an error of its own, without the name.

    Args:
        path: The file; what is there is replaced, and folders above are made.
        table: What is written.
        options: Of `polars.DataFrame.write_parquet`.

    Raises:
        OSError: If the disk is full; it names the file.
    """
    buffer = io.BytesIO()
    table.write_parquet(buffer, **options)
    write_bytes(path, buffer.getbuffer())
