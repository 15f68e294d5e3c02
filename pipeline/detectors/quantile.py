"""A quantile of all values of many rows, exact, in bounded memory and whatever their order."""

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, UInt32

from pipeline.detectors.rows import Rows
from pipeline.geometry import check_finite

_ROWS = 2048  # counted at a time
_BITS = 16  # counted in each of two passes
_BINS = 1 << _BITS


def exact_quantile(rows: Float[Rows, "n d"], *, quantile: float) -> float:
    """NumPy's quantile, linear between neighbours, of all n d values in float32.

    A float32 read as an integer, with the sign turned, rises with its value. So one pass counts the
    upper half of the bits of every value, and a second one the lower half of those whose upper half
    is that of a value sought: 65,536 counts at a time instead of n d values.

    Raises:
        ValueError: If there are no rows, or a value is not finite.
    """
    if not len(rows):
        raise ValueError("a quantile needs at least one row, got none")
    place = quantile * (rows.shape[0] * rows.shape[1] - 1)
    ranks = [math.floor(place), math.ceil(place)]
    upper = np.zeros(_BINS, np.int64)
    for keys in _keys(rows):
        upper += np.bincount(keys >> _BITS, minlength=_BINS)
    heads = np.searchsorted(upper.cumsum(), ranks, side="right")
    lower = {head: np.zeros(_BINS, np.int64) for head in heads}
    for keys in _keys(rows):
        for head, counts in lower.items():
            tails = keys[keys >> _BITS == head] & (_BINS - 1)
            counts += np.bincount(tails, minlength=_BINS)
    values = []
    for rank, head in zip(ranks, heads, strict=True):
        tail = np.searchsorted(lower[head].cumsum(), rank - upper[:head].sum(), side="right")
        values.append(_value(int(head) << _BITS | int(tail)))
    return values[0] + (values[1] - values[0]) * (place - ranks[0])


def _keys(rows: Rows) -> Iterator[UInt32[np.ndarray, " _"]]:
    """Integers that are ordered as the values are, block by block."""
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS]
        check_finite(block, "features", start=start)
        bits = np.ascontiguousarray(block, np.float32).view(np.uint32).ravel()
        yield np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def _value(key: int) -> float:
    """The value of a key."""
    bits = key ^ (1 << 31) if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.array(bits, np.uint32).view(np.float32))
