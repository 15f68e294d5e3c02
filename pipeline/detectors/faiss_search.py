"""Searches by faiss, whose only door this is: exact on GPUs or a CPU, and approximate indexes."""

from collections.abc import Iterable
from functools import cache

import numpy as np
from jaxtyping import Float32, Int64

from pipeline.detectors.block_search import Best, add_in_blocks

Shards = Iterable[tuple[int, Float32[np.ndarray, "_ d"]]]  # first row, rows

_PIECE = 1 << 30  # bytes of bank that faiss gets at a time
_SPARE = 8  # faiss breaks ties as it likes: it is asked for more than k, to see whether k ties
_GPU_LARGEST = 2048  # neighbours that faiss finds on a GPU


def gpu_count() -> int:
    """How many GPUs faiss can use; 0 for a CPU build."""
    import faiss  # late: loading it takes as long as scoring a small set

    return faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0


def add_with_faiss(
    best: Best,
    queries: Float32[np.ndarray, "n d"],
    start: int,
    bank: Float32[np.ndarray, "m d"],
    exclude: Int64[np.ndarray, " n"] | None,
) -> None:
    """Offer the bank rows ``start``, ``start + 1``, ... to all queries, after all lower rows.

    The arguments are those of `add_in_blocks`.
    """
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


def joined(shards: Shards) -> Shards:
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


def approximate_neighbours(
    queries: Float32[np.ndarray, "n d"],
    bank: Float32[np.ndarray, "m d"],
    *,
    k: int,
    exclude: Int64[np.ndarray, " n"] | None,
    kind: str,
) -> tuple[Float32[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
    """Inner products and rows of the k neighbours that an approximate index finds, best first.

    Args:
        queries: Rows to search for.
        bank: Rows to search in.
        k: Neighbours of each query.
        exclude: For each query the bank row that is the query itself, or -1.
        kind: ``ivf`` or ``hnsw``.

    Raises:
        ValueError: If the index found fewer than k neighbours for some query.
    """
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
    return similarities, rows
