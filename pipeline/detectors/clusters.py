"""K-means clusters, for detectors that have no labels."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from pipeline.detectors.gaussians import class_sums
from pipeline.detectors.row_blocks import sum_blocks
from pipeline.detectors.rows import Rows, take_rows
from pipeline.geometry import check_finite


def kmeans(
    features: Float[Rows, "n d"], *, clusters: int, seed: int, iterations: int = 100
) -> Int64[np.ndarray, " n"]:
    """Cluster of each row, by Lloyd's iterations from a k-means++ start.

    Arthur & Vassilvitskii (SODA 2007). The start is drawn from at most 100 rows a cluster, which
    are held in the features' dtype: 0.5 GiB for 1000 clusters in 1280 dimensions of float32. A
    cluster that loses all its rows takes the row farthest from its own centre.

    Args:
        features: Rows to cluster, in memory or read block by block.
        clusters: How many.
        seed: Of the start.
        iterations: At most; it stops before when no row changes its cluster.

    Raises:
        ValueError: If there are fewer rows than clusters, or a value is not finite.
    """
    if not 1 <= clusters <= len(features):
        raise ValueError(f"clusters must be between 1 and the {len(features)} rows, got {clusters}")
    check_finite(features, "features")
    centres = _start(features, clusters, np.random.default_rng(seed))
    labels = np.full(len(features), -1)
    for _ in range(iterations):
        previous = labels
        labels, distances = _assign(features, centres)
        for empty in np.setdiff1d(np.arange(clusters), labels):
            farthest = int(distances.argmax())
            labels[farthest], distances[farthest] = empty, -1
        if np.array_equal(labels, previous):
            break
        counts = np.bincount(labels, minlength=clusters)
        centres = class_sums(features, labels, clusters) / np.maximum(counts, 1)[:, None]
    return labels


def _start(features: Rows, clusters: int, rng: np.random.Generator) -> Float64[np.ndarray, "c d"]:
    """Rows drawn with probability proportional to the squared distance from those drawn before."""
    sample = np.sort(rng.choice(len(features), min(len(features), 100 * clusters), replace=False))
    rows = take_rows(features, sample)
    chosen = [int(rng.integers(len(rows)))]
    nearest = np.full(len(rows), np.inf)

    def compare(at: Any, apart: np.ndarray) -> tuple:
        nearest[at] = np.minimum(nearest[at], np.einsum("nd,nd->n", apart, apart))
        return ()

    while len(chosen) < clusters:
        sum_blocks(rows, compare, shift=rows[chosen[-1]].astype(np.float64))
        left = np.setdiff1d(np.arange(len(rows)), chosen)  # equal rows leave no distance to draw by
        weights = nearest[left] if nearest[left].sum() > 0 else np.ones(len(left))
        chosen.append(int(rng.choice(left, p=weights / weights.sum())))
    return rows[chosen].astype(np.float64)


def _assign(features: Rows, centres: Float64[np.ndarray, "c d"]) -> tuple[np.ndarray, np.ndarray]:
    """Nearest centre of each row, and the squared distance to it."""
    labels = np.empty(len(features), np.int64)
    distances = np.empty(len(features))
    squares = (centres**2).sum(axis=1)

    def assign(at: Any, block: np.ndarray) -> tuple:
        apart = squares - 2 * (block @ centres.T)
        labels[at] = apart.argmin(axis=1)
        size = np.einsum("nd,nd->n", block, block)
        distances[at] = np.maximum(apart.min(axis=1) + size, 0)
        return ()

    sum_blocks(features, assign)
    return labels, distances
