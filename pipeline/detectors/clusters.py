"""K-means clusters, for detectors that have no labels."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from pipeline.detectors.gaussians import class_sums
from pipeline.detectors.row_blocks import sum_blocks
from pipeline.detectors.rows import Rows, take_rows
from pipeline.geometry import check_finite

_SAMPLE = 10_000  # rows that starts are drawn from and tried on, at least
_SAMPLE_A_CLUSTER = 20  # of them, where clusters are many
_SCOUT = 10  # iterations by which starts are compared


def kmeans(
    features: Float[Rows, "n d"],
    *,
    clusters: int,
    seed: int,
    restarts: int = 10,
    iterations: int = 100,
) -> Int64[np.ndarray, " n"]:
    """Cluster of each row, by Lloyd's iterations from the best of several k-means++ starts.

    The starts are scikit-learn's greedy ones (Arthur & Vassilvitskii, SODA 2007: of several
    candidates each centre is the one that helps most), and the best is that of the smallest sum of
    squared distances after ten iterations: a single draw can leave two of ten well separated
    clusters as one. Starts see at most 20 rows a cluster, but 10,000 where there are as many,
    which are held in the features' dtype.

    Args:
        features: Rows to cluster, in memory or read block by block.
        clusters: How many.
        seed: Of the starts.
        restarts: How many starts are tried.
        iterations: At most; it stops before when no row changes its cluster.

    Raises:
        ValueError: If there are fewer rows than clusters, no start, or a value is not finite.
    """
    if not 1 <= clusters <= len(features):
        raise ValueError(f"clusters must be between 1 and the {len(features)} rows, got {clusters}")
    if restarts < 1:
        raise ValueError(f"restarts must be at least 1, got {restarts}")
    check_finite(features, "features")
    centres = _best_start(features, clusters, restarts, np.random.default_rng(seed))
    return _lloyd(features, centres, iterations)[0]


def _best_start(
    features: Rows, clusters: int, restarts: int, rng: np.random.Generator
) -> Float64[np.ndarray, "c d"]:
    """Centres of the start that comes out tightest on a sample of the rows."""
    from sklearn.cluster import kmeans_plusplus  # late: scoring needs none of it

    size = min(len(features), max(_SAMPLE, _SAMPLE_A_CLUSTER * clusters))
    rows = take_rows(features, np.sort(rng.choice(len(features), size, replace=False)))
    centred = rows - rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)
    best, least = np.empty((0, rows.shape[1])), np.inf
    for _ in range(restarts):
        state = int(rng.integers(2**32))
        _, chosen = kmeans_plusplus(centred, clusters, random_state=state)
        _, centres, inertia = _lloyd(rows, rows[chosen].astype(np.float64), _SCOUT)
        if inertia < least * (1 - 1e-9):  # of equal ones the first, whatever the last bits
            best, least = centres, inertia
    return best


def _lloyd(
    features: Rows, centres: Float64[np.ndarray, "c d"], iterations: int
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, "c d"], float]:
    """Cluster of each row, the centres of these clusters, and the sum of squared distances."""
    clusters = len(centres)
    labels, distances = np.full(len(features), -1), np.empty(0)
    for _ in range(iterations):
        previous = labels
        labels, distances = _assign(features, centres)
        for empty in np.setdiff1d(np.arange(clusters), labels):  # takes the row farthest from all
            farthest = int(distances.argmax())
            labels[farthest], distances[farthest] = empty, -1
        if np.array_equal(labels, previous):
            break
        counts = np.bincount(labels, minlength=clusters)
        centres = class_sums(features, labels, clusters) / np.maximum(counts, 1)[:, None]
    return labels, centres, float(np.maximum(distances, 0).sum())


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
