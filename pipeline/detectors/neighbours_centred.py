"""Similarities to a bank whose rows lie close together, as sums around their mean.

Features with a large common mean have cosines of 0.9999 and more, of which float32 resolves 6e-8:
too little to tell the neighbours. Around a centre c the rows are short, and so are the errors of
their products:

    a.b = a.c + (b - c).c + (a - c).(b - c)

The first term is a number for each query, added in float64; the second a number for each bank row,
one column more in the product of the third.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Float32, Float64

from pipeline.detectors.faiss_search import Shards

_SAMPLE = 8192  # bank rows, of which every eighth tells whether there is a centre, and which
_STEP = 8
_CLOSE = 0.99  # share of the squared norms that is their mean's: float32 is still good enough
_PIECE = 32768  # bank rows
_BLOCK = 256  # rows whose float64 copy stays in the cache
_ROUNDED = 1e-6  # unit rows differ from 1 by less, and count as if they did not


@dataclass(frozen=True)
class Centre:
    """A point that all bank rows are close to, which need not be exactly their mean."""

    point: Float64[np.ndarray, " d"]

    def queries(
        self, rows: Float32[np.ndarray, "n d"]
    ) -> tuple[Float32[np.ndarray, "n e"], Float64[np.ndarray, " n"]]:
        """Rows to multiply with those of `bank`, and what to add to their products."""
        around, products = self._around(rows)
        around[:, -1] = 1
        return around, products

    def bank(self, shards: Shards) -> Iterator[tuple[int, Float32[np.ndarray, "_ e"]]]:
        """Bank rows around the centre, and their column more, in pieces that copy little."""
        for start, rows in shards:
            for low in range(0, len(rows), _PIECE):
                around, products = self._around(rows[low : low + _PIECE])
                around[:, -1] = products - self.point @ self.point
                yield start + low, around

    def _around(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows less the centre, with room for a column, and their products with it."""
        around = np.empty((len(rows), len(self.point) + 1), np.float32)
        products = np.empty(len(rows))
        for low in range(0, len(rows), _BLOCK):
            at = slice(low, low + _BLOCK)
            block = rows[at].astype(np.float64)
            excess = np.einsum("nd,nd->n", block, block) - 1
            excess[np.abs(excess) > _ROUNDED] = 0  # weighted rows: no unit vectors
            # a.b is 1 - |a - b|^2 / 2 where both norms are 1, and their rounding errs in neither
            products[at] = np.einsum("nd,d->n", block, self.point) - excess / 2
            around[at, :-1] = block - self.point
        return around, products


def centre_of(
    shards: Shards,
) -> tuple[Centre | None, Iterator[tuple[int, Float32[np.ndarray, "_ d"]]]]:
    """The centre of a bank, or None where its rows are far enough apart, and all its shards."""
    shards = iter(shards)
    seen, chosen = [], []
    for start, rows in shards:
        seen.append((start, rows))
        chosen.append(rows[: max(_SAMPLE - start, 0)][-start % _STEP :: _STEP])
        if start + len(rows) >= _SAMPLE:
            break
    every = chain(seen, shards)
    if not sum(map(len, chosen)):
        return None, every
    sample = np.concatenate(chosen)
    mean = sample.mean(axis=0, dtype=np.float64)
    squares = np.einsum("nd,nd->n", sample, sample, dtype=np.float64).mean()
    return (Centre(mean) if mean @ mean > _CLOSE * squares else None), every
