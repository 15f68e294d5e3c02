"""Nearest bank features by cosine similarity, exact, in bounded memory; the only door to faiss.

On CPUs the search is a blocked matrix product that keeps, for each query, only what beats its
k-th best so far: faster than faiss's flat index, which does the same with another BLAS and a heap
a query. Where faiss finds GPUs, its flat inner-product index runs there, sharded over all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Int64

Shards = Iterable[tuple[int, np.ndarray]]

_QUERIES = 1024  # one block of similarities takes 1024 x 8192 x 4 bytes = 32 MiB
_BANK = 8192
_FIRST = 2048  # the first block is sorted whole, so it is smaller


@dataclass(frozen=True)
class Neighbours:
    """The k nearest bank rows of each query, best first."""

    similarities: Float32[np.ndarray, "n k"]
    rows: Int64[np.ndarray, "n k"]


def nearest(
    queries: Float32[np.ndarray, "n d"],
    bank: Float32[np.ndarray, "m d"],
    *,
    k: int,
    exclude: Int64[np.ndarray, " n"] | None = None,
    engine: str = "auto",
) -> Neighbours:
    """Find the k bank rows with the largest inner product to each query.

    Args:
        queries: Unit-norm features, so that inner products are cosine similarities.
        bank: Unit-norm features of the in-distribution training set.
        k: How many neighbours.
        exclude: For each query the bank row that is the query itself, or -1.
        engine: ``blocks`` (CPU), ``faiss`` (its GPUs where found, else its CPU index), or ``auto``:
            faiss with GPUs, blocks without.

    Raises:
        ValueError: If the bank has fewer than k rows besides the excluded one.
    """
    return nearest_in_shards(queries, [(0, bank)], k=k, exclude=exclude, engine=engine)


def nearest_in_shards(
    queries: Float32[np.ndarray, "n d"],
    shards: Shards,
    *,
    k: int,
    exclude: Int64[np.ndarray, " n"] | None = None,
    engine: str = "auto",
) -> Neighbours:
    """Like `nearest`, over a bank that arrives as (first row, rows) pieces, one at a time."""
    if engine not in ("auto", "blocks", "faiss"):
        raise ValueError(f"unknown engine {engine!r}; known: auto, blocks, faiss")
    if engine == "auto":
        engine = "faiss" if gpu_count() else "blocks"
    add = _add_with_faiss if engine == "faiss" else _add_in_blocks
    best = _Best.empty(len(queries), k)
    size = 0
    for start, shard in shards:
        size += len(shard)
        add(best, queries, start, shard, exclude)
    spare = size - (0 if exclude is None or (exclude < 0).all() else 1)
    if not 1 <= k <= spare:
        raise ValueError(
            f"k must be between 1 and the {spare} bank features to compare with, got {k}; "
            "choose a smaller k or a larger bank"
        )
    return best.sorted()


def gpu_count() -> int:
    """How many GPUs faiss can use; 0 for a CPU build."""
    import faiss  # late: loading it takes as long as scoring a small set

    return faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0


@dataclass
class _Best:
    """Running k best per query, unsorted; the smallest of them is the bar to beat."""

    similarities: np.ndarray
    rows: np.ndarray

    @classmethod
    def empty(cls, n: int, k: int) -> "_Best":
        k = max(k, 1)
        return cls(np.full((n, k), -np.inf, np.float32), np.full((n, k), -1, np.int64))

    def offer(self, at: np.ndarray, similarities: np.ndarray, rows: np.ndarray) -> None:
        """Merge candidates [len(at), any] into the queries ``at``; -inf stands for none."""
        k = self.rows.shape[1]
        similarities = np.concatenate([self.similarities[at], similarities], axis=1)
        rows = np.concatenate([self.rows[at], rows], axis=1)
        keep = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
        self.similarities[at] = np.take_along_axis(similarities, keep, axis=1)
        self.rows[at] = np.take_along_axis(rows, keep, axis=1)

    def sorted(self) -> Neighbours:
        order = np.lexsort((self.rows, -self.similarities), axis=1)
        return Neighbours(
            np.take_along_axis(self.similarities, order, axis=1),
            np.take_along_axis(self.rows, order, axis=1),
        )


def _add_in_blocks(
    best: _Best, queries: np.ndarray, start: int, bank: np.ndarray, exclude: np.ndarray | None
) -> None:
    edges = [0, *range(min(_FIRST, len(bank)), len(bank), _BANK), len(bank)]
    largest = min(_QUERIES, len(queries)) * max(np.diff(edges), default=0)
    out, beats = np.empty(largest, np.float32), np.empty(largest, bool)
    for low in range(0, len(queries), _QUERIES):
        block = queries[low : low + _QUERIES]
        at = np.arange(low, low + len(block))
        for left, right in pairwise(edges):
            shape = (len(block), right - left)
            size = shape[0] * shape[1]
            similarities = np.matmul(block, bank[left:right].T, out=out[:size].reshape(shape))
            if exclude is not None:
                own = exclude[at] - start - left
                inside = np.flatnonzero((own >= 0) & (own < shape[1]))
                similarities[inside, own[inside]] = -np.inf
            bar = best.similarities[at].min(axis=1, keepdims=True)
            better = np.greater(similarities, bar, out=beats[:size].reshape(shape))
            _merge(best, at, similarities, better, start + left)


def _merge(
    best: _Best, at: np.ndarray, similarities: np.ndarray, better: np.ndarray, first: int
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


def _add_with_faiss(
    best: _Best, queries: np.ndarray, start: int, bank: np.ndarray, exclude: np.ndarray | None
) -> None:
    import faiss

    index = faiss.IndexFlatIP(bank.shape[1])
    if gpu_count():
        options = faiss.GpuMultipleClonerOptions()
        options.shard = True
        index = faiss.index_cpu_to_all_gpus(index, co=options)
    index.add(np.ascontiguousarray(bank))
    k = min(best.rows.shape[1] + (exclude is not None), len(bank))
    for low in range(0, len(queries), 16384):
        at = np.arange(low, min(low + 16384, len(queries)))
        similarities, rows = index.search(np.ascontiguousarray(queries[at]), k)
        if exclude is not None:
            similarities[rows == (exclude[at] - start)[:, None]] = -np.inf
        best.offer(at, similarities, rows.astype(np.int64) + start)
