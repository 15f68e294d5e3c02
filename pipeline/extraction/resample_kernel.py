"""Pillow's antialiased resampling of 8-bit RGB, compiled for vector instructions: the same bytes.

Pillow (libImaging/Resample.c) weighs the pixels of a row by integers of 22 bits, rounds to 8 bits,
and does the same down the columns. Integer sums do not depend on their order, so the order can be
the processor's: a whole column of pixels goes through one weight at a time. Only the part of the
result that a crop keeps is computed.
"""

import contextlib
import inspect

import numba
import numpy as np
from jaxtyping import UInt8, UInt32

BITS = 22  # of a weight; with 8 of a pixel and 2 for overshoot they fill an int32
HALF = 1 << (BITS - 1)


def _compiled(function):
    """Compile without the interpreter's lock; keep the machine code where a folder allows it."""
    function = inspect.unwrap(function)  # of the type checks that tests put around functions
    with contextlib.suppress(RuntimeError):  # no folder can be written to
        return numba.njit(nogil=True, cache=True)(function)
    return numba.njit(nogil=True)(function)


@_compiled
def _weight(x, cubic):
    x = abs(x)
    if not cubic:
        return 1.0 - x if x < 1.0 else 0.0
    if x < 1.0:
        return ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1
    if x < 2.0:
        return (((x - 5) * x + 8) * x - 4) * -0.5
    return 0.0


@_compiled
def _weights(length, target, low, high, cubic):
    """First source pixel, number of pixels and their weights, of results `low` to `high`."""
    scale = length / target
    stretch = max(scale, 1.0)
    reach = (2.0 if cubic else 1.0) * stretch
    inverse = 1.0 / stretch
    most = int(np.ceil(reach)) * 2 + 1
    first = np.zeros(high - low, np.int64)
    count = np.zeros(high - low, np.int64)
    whole = np.zeros((high - low, most), np.int32)
    real = np.zeros(most, np.float64)
    for result in range(low, high):
        centre = (result + 0.5) * scale
        start = max(int(centre - reach + 0.5), 0)
        n = min(int(centre + reach + 0.5), length) - start
        total = 0.0
        for k in range(n):
            real[k] = _weight((k + start - centre + 0.5) * inverse, cubic)
            total += real[k]
        for k in range(n):
            value = real[k] / total if total != 0.0 else real[k]
            value = value * (1 << BITS)
            whole[result - low, k] = int(value - 0.5) if value < 0 else int(value + 0.5)
        first[result - low] = start
        count[result - low] = n
    return first, count, whole


@_compiled
def _pass(lines, skipped, first, count, weights, out):
    """Make each line of `out` [n_out size] the weighted sum of lines of bytes [n_in size]."""
    size = lines.shape[1]
    sums = np.empty(size, np.int32)
    for line in range(len(first)):
        sums[:] = HALF
        start, n = first[line] - skipped, count[line]
        k = 0
        while k + 4 <= n:
            a, b, c, d = weights[line, k : k + 4]
            line_a, line_b = lines[start + k], lines[start + k + 1]
            line_c, line_d = lines[start + k + 2], lines[start + k + 3]
            for m in range(size):
                sums[m] += (np.int32(line_a[m]) * a + np.int32(line_b[m]) * b) + (
                    np.int32(line_c[m]) * c + np.int32(line_d[m]) * d
                )
            k += 4
        while k < n:
            a, line_a = weights[line, k], lines[start + k]
            for m in range(size):
                sums[m] += np.int32(line_a[m]) * a
            k += 1
        for m in range(size):
            out[line, m] = min(max(sums[m] >> BITS, 0), 255)


@_compiled
def _resampled(pixels, height, width, top, bottom, left, right, cubic):
    """One call, in which the interpreter's lock is free: each would be another wait for it."""
    x_first, x_count, x_weights = _weights(pixels.shape[1], width, left, right, cubic)
    y_first, y_count, y_weights = _weights(pixels.shape[0], height, top, bottom, cubic)
    x0, y0 = x_first[0], y_first[0]
    used = pixels[y0 : y_first[-1] + y_count[-1], x0 : x_first[-1] + x_count[-1]]
    columns = np.ascontiguousarray(used.T).view(np.uint8)
    narrow = np.empty((right - left, columns.shape[1]), np.uint8)
    _pass(columns, x0, x_first, x_count, x_weights, narrow)
    rows = np.ascontiguousarray(narrow.view(np.uint32).T).view(np.uint8)
    wide = np.empty((bottom - top, rows.shape[1]), np.uint8)
    _pass(rows, y0, y_first, y_count, y_weights, wide)
    out = np.empty((bottom - top, right - left, 3), np.uint8)
    for y in range(bottom - top):
        for x in range(right - left):
            for c in range(3):
                out[y, x, c] = wide[y, 4 * x + c]
    return out


def resampled(
    pixels: UInt32[np.ndarray, "h w"],
    size: tuple[int, int],
    window: tuple[int, int, int, int],
    *,
    cubic: bool,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Resize to (height, width), and return the window (top, bottom, left, right) of the result.

    `cubic` chooses Pillow's BICUBIC; otherwise it is BILINEAR. A pixel of the source is four bytes:
    red, green, blue and one that means nothing.
    """
    return _resampled(pixels, *size, *window, cubic)
