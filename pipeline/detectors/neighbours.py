"""Nearest bank features by cosine similarity, in bounded memory; the only door to faiss.

On CPUs the exact search is a blocked matrix product that keeps, for each query, only what beats
its k-th best so far: faster than faiss's flat index, which does the same with another BLAS and a
heap a query. Where faiss finds GPUs, its flat inner-product index runs there, sharded over all of
them. Approximate indexes are an option, and say how many true neighbours they find.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, Int64

from pipeline.detectors.block_search import Best, add_in_blocks

Shards = Iterable[tuple[int, np.ndarray]]

Engine = Literal["auto", "blocks", "faiss", "ivf", "hnsw"]
ENGINES = get_args(Engine)
_PIECE = 1 << 30  # bytes of bank that faiss gets at a time
_SPARE = 8  # faiss breaks ties as it likes: it is asked for more than k, to see whether k ties
_GPU_LARGEST = 2048  # neighbours that faiss finds on a GPU
_PROBES = 256  # queries that an approximate search is checked with


@dataclass(frozen=True)
class Neighbours:
    """The k nearest bank rows of each query, best first, equal ones in the order of the bank.

    Attributes:
        similarities: Inner products.
        rows: Bank rows.
        recall: Share of the true neighbours found, on a sample of the queries; None where exact.
    """

    similarities: Float32[np.ndarray, "n k"]
    rows: Int64[np.ndarray, "n k"]
    recall: float | None = None


def nearest(
    queries: Float32[np.ndarray, "n d"],
    bank: Float32[np.ndarray, "m d"],
    *,
    k: int,
    exclude: Int64[np.ndarray, " n"] | None = None,
    engine: str = "auto",
) -> Neighbours:
    """Find the k bank rows with the largest inner product to each query.

    Exact engines choose by (similarity, lowest row): copies in the bank are found in its order,
    however it is cut. Their similarities may differ in the last bits.

    Args:
        queries: Unit-norm features, so that inner products are cosine similarities.
        bank: Unit-norm features of the in-distribution training set.
        k: How many neighbours.
        exclude: For each query the bank row that is the query itself, or -1.
        engine: Exact: ``blocks`` (CPU), ``faiss`` (its GPUs where found, else its CPU index), or
            ``auto``, which is faiss with GPUs and blocks without. Approximate: ``ivf``, ``hnsw``.

    Raises:
        ValueError: If the bank has fewer than k rows besides the excluded one.
    """
    return nearest_in_shards(
        queries, [(0, bank)], k=k, exclude=exclude, engine=engine, size=len(bank)
    )


def nearest_in_shards(
    queries: Float32[np.ndarray, "n d"],
    shards: Shards,
    *,
    k: int,
    exclude: Int64[np.ndarray, " n"] | None = None,
    engine: str = "auto",
    size: int | None = None,
) -> Neighbours:
    """Like `nearest`, over a bank that arrives in order, as (first row, rows), piece by piece.

    Approximate engines hold the whole bank. Where its ``size`` is known, a k beyond it is refused
    before anything is read.
    """
    if size is not None:
        _check_k(k, size, exclude)
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    if engine == "auto":
        engine = "faiss" if gpu_count() else "blocks"
    if engine in ("ivf", "hnsw"):
        bank = np.concatenate([shard for _, shard in shards])
        _check_k(k, len(bank), exclude)
        return _approximate(queries, bank, k, exclude, engine)
    add = add_in_blocks
    if engine == "faiss":
        add, shards = _add_with_faiss, _joined(shards)
    best = Best.empty(len(queries), k)
    came = 0
    for start, shard in shards:
        came += len(shard)
        add(best, queries, start, shard, exclude)
    _check_k(k, came, exclude)
    return Neighbours(*best.sorted())


def gpu_count() -> int:
    """How many GPUs faiss can use; 0 for a CPU build."""
    import faiss  # late: loading it takes as long as scoring a small set

    return faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0


def _check_k(k: int, size: int, exclude: np.ndarray | None) -> None:
    spare = size - (0 if exclude is None or (exclude < 0).all() else 1)
    if not 1 <= k <= spare:
        raise ValueError(
            f"k must be between 1 and the {spare} bank features to compare with, got {k}; "
            "choose a smaller k or a larger bank"
        )


def _add_with_faiss(
    best: Best, queries: np.ndarray, start: int, bank: np.ndarray, exclude: np.ndarray | None
) -> None:
    import faiss

    k = best.rows.shape[1] + (exclude is not None)
    index = faiss.IndexFlatIP(bank.shape[1])
    if gpu_count() and k + _SPARE <= _GPU_LARGEST:
        options = faiss.GpuMultipleClonerOptions()
        options.shard = True  # such an index takes its rows in one call, so each piece has its own
        index = faiss.index_cpu_to_gpu_multiple_py(_gpu_resources(), index, co=options)
    index.add(np.ascontiguousarray(bank))
    for low in range(0, len(queries), 16384):
        at = np.arange(low, min(low + 16384, len(queries)))
        asked = min(k + _SPARE, len(bank))
        similarities, rows = _search(index, queries[at], asked)
        unsure = np.zeros(len(at), bool)
        if asked < len(bank):  # rows that faiss left out may tie with the k-th
            unsure = similarities[:, k - 1] == similarities[:, -1]
        _drop_self(similarities, rows + start, exclude, at)
        best.offer(at[~unsure], similarities[~unsure], rows[~unsure] + start)
        _add_again(best, queries, start, bank, exclude, at[unsure])


def _add_again(
    best: Best,
    queries: np.ndarray,
    start: int,
    bank: np.ndarray,
    exclude: np.ndarray | None,
    at: np.ndarray,
) -> None:
    """Offer the bank rows to some of the queries, block by block."""
    if len(at):
        some = Best(best.similarities[at], best.rows[at])
        add_in_blocks(some, queries[at], start, bank, None if exclude is None else exclude[at])
        best.similarities[at], best.rows[at] = some.similarities, some.rows


@cache
def _gpu_resources() -> list:
    """Scratch memory of each GPU, taken once."""
    import faiss

    return [faiss.StandardGpuResources() for _ in range(gpu_count())]


def _joined(shards: Shards) -> Shards:
    """Pieces of up to `_PIECE` bytes: one index a piece is what a GPU is fast at."""
    first, held = 0, []
    for start, shard in shards:
        first = start if not held else first
        held.append(shard)
        if sum(each.nbytes for each in held) >= _PIECE:
            yield first, np.concatenate(held)
            held = []
    if held:
        yield first, np.concatenate(held) if len(held) > 1 else held[0]


def _search(index, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Search an index; a neighbour that it did not find has similarity -inf and row -1."""
    similarities, rows = index.search(np.ascontiguousarray(queries), k)
    similarities[rows < 0] = -np.inf
    return similarities, rows.astype(np.int64)


def _drop_self(
    similarities: np.ndarray, rows: np.ndarray, exclude: np.ndarray | None, at: np.ndarray
) -> None:
    """Give -inf to queries ``at`` that found themselves."""
    if exclude is not None:
        own = exclude[at][:, None]
        similarities[(rows == own) & (own >= 0)] = -np.inf


def _approximate(
    queries: np.ndarray, bank: np.ndarray, k: int, exclude: np.ndarray | None, kind: str
) -> Neighbours:
    import faiss

    m, d = bank.shape
    if kind == "ivf":
        lists = max(1, min(round(4 * m**0.5), m // 39))  # faiss wants 39 rows to train a list
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, lists, faiss.METRIC_INNER_PRODUCT)
        index.train(bank)
        index.nprobe = max(8, lists // 8)
    else:
        index = faiss.IndexHNSWFlat(d, 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 80
        index.hnsw.efSearch = max(128, 2 * k)
    index.add(bank)
    best = Best.empty(len(queries), k)
    at = np.arange(len(queries))
    similarities, rows = _search(index, queries, min(k + (exclude is not None), m))
    _drop_self(similarities, rows, exclude, at)
    best.offer(at, similarities, rows)
    similarities, rows = best.sorted()
    if not np.isfinite(similarities).all():
        raise ValueError(
            f"the {kind} index found fewer than {k} neighbours for some images; use the exact "
            "engine (auto), or a smaller k"
        )
    probes = np.unique(np.linspace(0, len(queries) - 1, min(_PROBES, len(queries)), dtype=int))
    own = None if exclude is None else exclude[probes]
    truth = nearest(queries[probes], bank, k=k, exclude=own, engine="blocks")
    hits = [np.isin(a, b).mean() for a, b in zip(rows[probes], truth.rows, strict=True)]
    return Neighbours(similarities, rows, recall=float(np.mean(hits)))
