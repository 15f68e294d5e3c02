"""A column of a Parquet file as rows of an array: numbers, text, or lists of one length."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Shaped

from pipeline.sources.array_rows import FileRows, ImportedFileError, in_memory

HEAD_ROWS = 1024
# Read at once: any read holds the whole row group around its rows, as it is packed, and unpacks it
# anew, and files come with row groups of a million rows. Smaller spans save no memory there.
SPAN_BYTES = 512 << 20


def parquet_rows(path: Path, name: str) -> FileRows:
    """Open a column, of which the first rows are read.

    Raises:
        ImportedFileError: If rows differ in length or are empty; of later rows when they are read.
    """
    column = pl.scan_parquet(path).select(name)
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    first = column.slice(0, HEAD_ROWS).collect().to_series()
    width = int(first.list.len()[0] or 0) if isinstance(first.dtype, pl.List) and rows else 0

    def checked(series: pl.Series, start: int) -> np.ndarray:
        return _as_array(series, width, start=start, what=f"'{name}' in '{path}'")

    head = checked(first, 0)
    if rows <= HEAD_ROWS:
        return in_memory(path, head)

    def read(low: int, high: int) -> np.ndarray:
        if high <= HEAD_ROWS:
            return head[low:high]
        return checked(column.slice(low, high - low).collect().to_series(), low)

    def stream(block: int) -> Iterator[np.ndarray]:
        span = max(block, SPAN_BYTES // max(head[:1].nbytes, 1) // block * block)
        for start in range(0, rows, span):
            found = read(start, min(start + span, rows))
            yield from (found[low : low + block] for low in range(0, len(found), block))

    return FileRows(path, (rows, *head.shape[1:]), head.dtype, read, stream)


def _as_array(
    series: pl.Series, width: int, *, start: int, what: str
) -> Shaped[np.ndarray, "n *d"]:
    """Values of consecutive rows, the first being row ``start``; lists must be of one width."""
    if series.null_count():
        row = start + int(series.is_null().arg_max() or 0)
        raise ImportedFileError(
            f"{what} must have a value in every row; row {row} is empty. Leave such rows out, here "
            "and among the labels"
        )
    if isinstance(series.dtype, pl.List):
        if not series.dtype.inner.is_numeric():
            raise ImportedFileError(
                f"the rows of {what} must be flat lists of numbers, got {series.dtype}; save one "
                "list for each image"
            )
        other = series.list.len() != width
        if other.any():
            row = int(other.arg_max() or 0)
            raise ImportedFileError(
                f"the rows of {what} must be of one length; row {start + row} has "
                f"{series.list.len()[row]} values, the first row {width}"
            )
        series = series.cast(pl.Array(series.dtype.inner, width))
    return series.to_numpy()
