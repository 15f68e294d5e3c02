"""One pass over many rows: block by block, dealt to all cores, in bounded memory."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64

from pipeline.detectors.rows import ChangedRows, Rows
from pipeline.geometry import check_finite
from pipeline.lanes import lane_count, open_lanes

_ROWS = 8192  # of a block, at most
_FEWEST = 256  # of a block where lanes are many or rows are wide
_BUFFERS = 256 << 20  # bytes of all blocks in float64
_LANES = 16  # each has sums of its own
_SUMS = 1 << 30  # bytes of the lanes' sums, d x d each, and of what is added to them


def sum_blocks(
    rows: Float[Rows, "n d"],
    term: Callable[[Any, Float64[np.ndarray, "b d"]], tuple],
    *,
    shift: float | Float64[np.ndarray, " d"] = 0.0,
    where: Bool[np.ndarray, " n"] | None = None,
    what: str = "features",
) -> tuple:
    """Sum the terms of all blocks of rows.

    A lane takes every L-th block on one core with one BLAS thread, into sums of its own, which are
    added in the order of the lanes: then conversions and sums by class run on all cores too, not
    products alone. There are as many lanes as BLAS has threads (OMP_NUM_THREADS), fewer where the
    blocks are fewer. Rows are read in order, by one thread; rows that are computed are so in lanes.

    Args:
        rows: What to pass over.
        term: Gets the place of the rows (what indexes any array [n]) and rows - shift in float64,
            which it may overwrite; returns what to sum up, numbers or arrays.
        shift: Subtracted from every row.
        where: Rows that count; None for all.
        what: Name of the rows in errors.

    Raises:
        ValueError: If there are no rows, a value is not finite, or a sum overflows.
    """
    if not len(rows):
        raise ValueError(f"{what} must have at least one row, got none")
    source, change = (
        (rows.source, rows.change) if isinstance(rows, ChangedRows) else (rows, lambda raw, _: raw)
    )
    n, d = rows.shape
    lanes, size = _grid(n, d, lane_count())
    buffers = [np.empty((size, d)) for _ in range(lanes)]
    sums: list[list] = [[] for _ in range(lanes)]

    def add(lane: int, start: int, raw: np.ndarray) -> None:
        block, at = change(raw, start), slice(start, start + len(raw))
        if where is not None and not (inside := where[at]).all():
            block, at = block[inside], start + np.flatnonzero(inside)
        out = buffers[lane][: len(block)]
        terms = term(at, np.subtract(block, shift, out=out, dtype=np.float64))
        if not sums[lane]:
            sums[lane] = list(terms)
            return
        for i, each in enumerate(terms):
            sums[lane][i] += each

    def share(first: int, part: np.ndarray, lane: int) -> None:
        """Add every L-th block of a part that begins at row ``first``."""
        with np.errstate(over="ignore", invalid="ignore"):  # the sums are checked
            for low in range(lane * size, len(part), lanes * size):
                add(lane, first + low, part[low : low + size])

    # A lane alone has all threads of BLAS.
    opened = open_lanes(lanes) if lanes > 1 else nullcontext(lambda work: work(0))
    together = n if isinstance(source, np.ndarray) else lanes * size  # read at once
    with opened as run:
        for first in range(0, n, together):
            run(partial(share, first, source[first : first + together]))
    totals = [sum(each[1:], start=each[0]) for each in zip(*filter(None, sums), strict=True)]
    if not all(np.isfinite(total).all() for total in totals):
        check_finite(rows, what)
        raise ValueError(f"{what} are too large for sums in float64; scale them down")
    return tuple(totals)


def _grid(n: int, width: int, threads: int) -> tuple[int, int]:
    """Number of lanes, and rows of a block such that every lane gets equally many blocks."""
    lanes = max(1, min(threads, _LANES, _SUMS // (16 * width**2), -(-n // _ROWS)))
    most = min(_ROWS, max(_FEWEST, _BUFFERS // (8 * width * lanes)))
    return lanes, -(-n // (lanes * -(-n // (lanes * most))))
