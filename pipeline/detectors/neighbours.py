"""Nearest bank features by cosine similarity, in bounded memory.

On CPUs the exact search is a blocked matrix product that keeps, for each query, only what beats
its k-th best so far: faster than faiss's flat index, which does the same with another BLAS and a
heap a query. Where faiss finds GPUs, its flat inner-product index runs there, sharded over all of
them. Where the bank's rows lie close together, as those of features with a large common mean do,
exact searches compare around their mean. Approximate indexes are an option, and say how many true
neighbours they find; they compare cosines in float32, whatever the mean.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32, Int64

from pipeline.detectors.block_search import Best, add_in_blocks
from pipeline.detectors.faiss_search import (
    Shards,
    add_with_faiss,
    approximate_neighbours,
    gpu_count,
    joined,
)
from pipeline.detectors.neighbours_centred import centre_of

Engine = Literal["auto", "blocks", "faiss", "ivf", "hnsw"]
ENGINES = get_args(Engine)
APPROXIMATE = ("ivf", "hnsw")
_PROBES = 256  # queries that an approximate search is checked with


@dataclass(frozen=True)
class Neighbours:
    """The k nearest bank rows of each query, best first, equal ones in the order of the bank.

    Attributes:
        similarities: Inner products; float64 where the bank's rows lie close together, so that
            float32 would not tell them apart.
        rows: Bank rows.
        recall: Share of the true neighbours found, on a sample of the queries; None where exact.
    """

    similarities: Float[np.ndarray, "n k"]
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
    if engine in APPROXIMATE:
        bank = np.concatenate([shard for _, shard in shards])
        _check_k(k, len(bank), exclude)
        return _approximate(queries, bank, k, exclude, engine)
    centre, shards = centre_of(shards)
    level: np.ndarray | None = None
    if centre is not None:
        queries, level = centre.queries(queries)
        shards = centre.bank(shards)
    add = add_in_blocks
    if engine == "faiss":
        add, shards = add_with_faiss, joined(shards)
    best = Best.empty(len(queries), k)
    came = 0
    for start, shard in shards:
        came += len(shard)
        add(best, queries, start, shard, exclude)
    _check_k(k, came, exclude)
    similarities, rows = best.sorted()
    return Neighbours(similarities if level is None else similarities + level[:, None], rows)


def _check_k(k: int, size: int, exclude: np.ndarray | None) -> None:
    spare = size - (0 if exclude is None or (exclude < 0).all() else 1)
    if not 1 <= k <= spare:
        raise ValueError(
            f"k must be between 1 and the {spare} bank features to compare with, got {k}; "
            "choose a smaller k or a larger bank"
        )


def _approximate(
    queries: np.ndarray, bank: np.ndarray, k: int, exclude: np.ndarray | None, kind: str
) -> Neighbours:
    similarities, rows = approximate_neighbours(queries, bank, k=k, exclude=exclude, kind=kind)
    probes = np.unique(np.linspace(0, len(queries) - 1, min(_PROBES, len(queries)), dtype=int))
    own = None if exclude is None else exclude[probes]
    truth = nearest(queries[probes], bank, k=k, exclude=own, engine="blocks")
    hits = [np.isin(a, b).mean() for a, b in zip(rows[probes], truth.rows, strict=True)]
    return Neighbours(similarities, rows, recall=float(np.mean(hits)))
