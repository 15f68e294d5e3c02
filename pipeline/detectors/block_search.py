"""Blocked search: products of blocks, and for each query only what beats its k-th best so far.

As fast as the matrix products themselves, within a few per cent, in a few blocks of memory. Equal
similarities are ranked by bank row, however the bank and the queries are cut.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Int64

from pipeline.lanes import lane_count, run_lanes
from pipeline.products import GRID, filled

_QUERIES = 1024  # of a block, at most: its similarities take 1024 x 8192 x 4 bytes = 32 MiB
_BANK = 8192
_TOGETHER = 16384  # queries in the blocks of all lanes
_FIRST = 2048  # the first block is sorted whole, so it is smaller


@dataclass
class Best:
    """Running k best per query, unsorted; the smallest of them is the bar to beat."""

    similarities: Float32[np.ndarray, "n k"]
    rows: Int64[np.ndarray, "n k"]

    @classmethod
    def empty(cls, n: int, k: int) -> "Best":
        """Nothing found yet."""
        k = max(k, 1)
        return cls(np.full((n, k), -np.inf, np.float32), np.full((n, k), -1, np.int64))

    def offer(
        self,
        at: Int64[np.ndarray, " q"],
        similarities: Float32[np.ndarray, "q w"],
        rows: Int64[np.ndarray, "q w"],
    ) -> None:
        """Merge candidates into the queries ``at``; a similarity of -inf stands for none.

        Of candidates that tie at the k-th place, the lowest rows stay.
        """
        k = self.rows.shape[1]
        similarities = np.concatenate([self.similarities[at], similarities], axis=1)
        rows = np.concatenate([self.rows[at], rows], axis=1)
        keep = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
        last = np.take_along_axis(similarities, keep[:, -1:], axis=1)
        tie = np.count_nonzero(similarities >= last, axis=1) > k
        tie = np.flatnonzero(tie & (last[:, 0] > -np.inf))
        if len(tie):
            keep[tie] = np.lexsort((rows[tie], -similarities[tie]), axis=1)[:, :k]
        self.similarities[at] = np.take_along_axis(similarities, keep, axis=1)
        self.rows[at] = np.take_along_axis(rows, keep, axis=1)

    def sorted(self) -> tuple[Float32[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
        """Similarities and rows, best first, equal ones in the order of the bank."""
        order = np.lexsort((self.rows, -self.similarities), axis=1)
        return (
            np.take_along_axis(self.similarities, order, axis=1),
            np.take_along_axis(self.rows, order, axis=1),
        )


def add_in_blocks(
    best: Best,
    queries: Float32[np.ndarray, "n d"],
    start: int,
    bank: Float32[np.ndarray, "m d"],
    exclude: Int64[np.ndarray, " n"] | None,
) -> None:
    """Offer the bank rows ``start``, ``start + 1``, ... to all queries, after all lower rows.

    Blocks of queries are dealt to lanes of one BLAS thread; rows and columns of a product come in
    whole `GRID`s, so that copies get the same bits wherever they stand (see `pipeline.products`).

    Args:
        best: What was found among lower rows; changed in place.
        queries: Of any norm; similarities are inner products.
        start: Number of the first bank row.
        bank: The rows to search.
        exclude: For each query the bank row that is the query itself, or -1.
    """
    edges = {
        0,
        *range(min(_FIRST, len(bank)), len(bank), _BANK),
        len(bank) // GRID * GRID,
        len(bank),
    }
    pieces = [
        (left, right - left, filled(bank[left:right], GRID))
        for left, right in pairwise(sorted(edges))
    ]
    lanes, rows = _deal(len(queries))
    largest = rows * max((len(piece) for *_, piece in pieces), default=0)

    def work(lane: int) -> None:
        out, beats = np.empty(largest, np.float32), np.empty(largest, bool)
        for low in range(lane * rows, len(queries), lanes * rows):
            at = np.arange(low, min(low + rows, len(queries)))
            block = filled(queries[at[0] : at[-1] + 1], GRID)
            for left, width, piece in pieces:
                shape = (len(block), len(piece))
                whole = np.matmul(block, piece.T, out=out[: shape[0] * shape[1]].reshape(shape))
                similarities = whole[: len(at), :width]
                if exclude is not None:
                    own = exclude[at] - start - left
                    inside = np.flatnonzero((own >= 0) & (own < width))
                    similarities[inside, own[inside]] = -np.inf
                bar = best.similarities[at].min(axis=1, keepdims=True)
                better = beats[: similarities.size].reshape(similarities.shape)
                np.greater(similarities, bar, out=better)
                _merge(best, at, similarities, better, start + left)

    run_lanes(work, lanes)


def _deal(queries: int) -> tuple[int, int]:
    """Number of lanes, and rows of a block such that every lane gets equally many blocks."""
    lanes = max(1, min(lane_count(), -(-queries // GRID)))
    most = max(GRID, min(_QUERIES, _TOGETHER // lanes))
    blocks = lanes * max(1, -(-queries // (lanes * most)))
    return lanes, GRID * max(1, -(-queries // (blocks * GRID)))


def _merge(
    best: Best, at: np.ndarray, similarities: np.ndarray, better: np.ndarray, first: int
) -> None:
    """Offer the marked similarities: a few a query as one padded table, whole rows where many."""
    counts = np.count_nonzero(better, axis=1)
    width = similarities.shape[1]
    many = counts > min(4 * best.rows.shape[1] + 64, width // 2)
    if many.any():
        rows = np.broadcast_to(np.arange(first, first + width), (int(many.sum()), width))
        best.offer(at[many], similarities[many], rows)
        better[many] = False
        counts[many] = 0
    some = np.flatnonzero(counts)
    if not len(some):
        return
    query, column = np.divmod(np.flatnonzero(better), width)
    place = np.full(len(counts), -1)
    place[some] = np.arange(len(some))
    slot = np.arange(len(query)) - np.repeat(np.cumsum(counts[some]) - counts[some], counts[some])
    table = np.full((len(some), counts.max()), -np.inf, np.float32)
    ids = np.full(table.shape, -1, np.int64)
    table[place[query], slot] = similarities[query, column]
    ids[place[query], slot] = column + first
    best.offer(at[some], table, ids)
