"""Products of rows with a matrix, in which no row's result depends on the rows around it.

BLAS computes the edges of a block by other kernels than its inside, small blocks by others than
large ones, and may cut a block among threads: copies of one image then differ in the last bits, by
where they stand and how many they are, and a constant score is not seen to be constant. Here every
block has the same shape, is filled up with zeros and computed by one thread, in float64: OpenBLAS
gives the rows of such blocks the same bits on every x86 kernel (its float32 does not, on those for
AVX2 alone).
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from pipeline.lanes import lane_count, run_lanes

_ROWS = 256  # of every block
_LANE = 1 << 26  # multiplications that are worth a thread
GRID = 64  # rows and columns: a multiple of what any kernel takes at once


def row_products(
    rows: Float[np.ndarray, "n d"], right: Float[np.ndarray, "d c"]
) -> Float64[np.ndarray, "n c"]:
    """Multiply in float64, each row as if it were alone."""
    n, width = len(rows), right.shape[1]
    out = np.empty((n, width))
    if not out.size:
        return out
    right = filled(right.astype(np.float64, copy=False), GRID, axis=1)
    lanes = min(lane_count(), -(-n // _ROWS), 1 + n * right.size // _LANE)

    def work(lane: int) -> None:
        for low in range(lane * _ROWS, n, lanes * _ROWS):
            block = filled(np.ascontiguousarray(rows[low : low + _ROWS], np.float64), _ROWS)
            out[low : low + _ROWS] = (block @ right)[: n - low, :width]

    run_lanes(work, lanes)
    return out


def filled(array: Any, grid: int, *, axis: int = 0) -> Any:
    """The matrix with zeros up to the next whole number of ``grid``; itself where there is none."""
    missing = -array.shape[axis] % grid
    if not missing:
        return array
    shape = [size + missing * (place == axis) for place, size in enumerate(array.shape)]
    wider = np.zeros(shape, array.dtype, order="F" if array.flags.f_contiguous else "C")
    wider[: array.shape[0], : array.shape[1]] = array
    return wider
