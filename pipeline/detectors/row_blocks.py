"""One pass over many rows: block by block, dealt to all cores, in bounded memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64

from pipeline.detectors.rows import ChangedRows, Rows
from pipeline.geometry import check_finite

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
    from threadpoolctl import ThreadpoolController  # late: scoring sums nothing

    if not len(rows):
        raise ValueError(f"{what} must have at least one row, got none")
    source, change = (
        (rows.source, rows.change) if isinstance(rows, ChangedRows) else (rows, lambda raw, _: raw)
    )
    blas = ThreadpoolController().select(user_api="blas")
    threads = max((library["num_threads"] for library in blas.info()), default=1)
    n, d = rows.shape
    lanes, size = _grid(n, d, threads)
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

    def share(lane: int, first: int, part: np.ndarray) -> None:
        """Add every L-th block of a part that begins at row ``first``."""
        with np.errstate(over="ignore", invalid="ignore"):  # the sums are checked
            for low in range(lane * size, len(part), lanes * size):
                add(lane, first + low, part[low : low + size])

    with ExitStack() as stack:
        pool = None
        if lanes > 1:
            stack.enter_context(blas.limit(limits=1))
            pool = stack.enter_context(ThreadPoolExecutor(lanes))
        together = n if isinstance(source, np.ndarray) else lanes * size  # read at once
        for first in range(0, n, together):
            part = source[first : first + together]
            list((pool.map if pool else map)(share, range(lanes), repeat(first), repeat(part)))
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
