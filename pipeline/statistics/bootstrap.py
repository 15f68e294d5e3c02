"""Resampled metrics: which images are drawn is fixed first, then every method sees the same draw.

ID and OOD images are resampled separately (stratified). A draw depends only on the seed, the name
of the data set and its size, so replicate r of two methods, two backbones or two OOD sets rests on
the same ID images: differences and means of replicates are paired, even when they are read from
files written by different runs.
"""

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float, Int32

from pipeline.statistics.ranking import Ranking, resampled_metrics

_BLOCK_ELEMENTS = 1 << 19  # counts of one block of resamples: 2 MiB


def draw_counts(
    *, seed: int, name: str, n: int, resamples: int, block: int
) -> Iterator[Int32[np.ndarray, "b n"]]:
    """Yield how often each of n images is drawn, `block` resamples at a time.

    The counts depend on seed, name and n only; the block size changes nothing.
    """
    digest = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype="<u4")
    rng = np.random.default_rng([seed, n, *digest.tolist()])
    for start in range(0, resamples, block):
        rows = [
            np.bincount(rng.integers(n, size=n), minlength=n)
            for _ in range(start, min(start + block, resamples))
        ]
        yield np.stack(rows).astype(np.int32)


def block_size(n: int) -> int:
    """How many resamples of n images to hold at once, so that memory stays bounded."""
    return max(1, _BLOCK_ELEMENTS // n)


def bootstrap(
    scores_id: Mapping[str, Float[np.ndarray, " _"]],
    scores_ood: Mapping[str, Float[np.ndarray, " _"]],
    *,
    id_name: str,
    ood_name: str,
    resamples: int = 1000,
    seed: int = 0,
    tpr: float = 0.95,
) -> dict[str, dict[str, Float[np.ndarray, " b"]]]:
    """Replicates of every metric for every method, all methods on the same draws.

    Args:
        scores_id: ID scores by method, in row order.
        scores_ood: OOD scores by method, in row order.
        id_name: Name of the ID set; with seed and size it fixes which ID images are drawn.
        ood_name: The same for the OOD set.
        resamples: Number of replicates.
        seed: Seed of the draws.
        tpr: Share that fpr95 and fpr95_ood accept.

    Returns:
        For each method and metric one value a replicate, in the order of the draws.

    Raises:
        ValueError: If there is no resample, a score is not finite, or two methods scored
            different numbers of images.
    """
    if resamples < 1:
        raise ValueError(f"there must be at least one resample, got {resamples}")
    if not scores_id:
        return {}
    n, m = _one_length(scores_id, id_name), _one_length(scores_ood, ood_name)
    rankings = {method: Ranking.fit(scores_id[method], scores_ood[method]) for method in scores_id}
    shape = {"seed": seed, "resamples": resamples, "block": block_size(n + m)}
    parts: dict[str, list[dict[str, np.ndarray]]] = {method: [] for method in rankings}
    for id_counts, ood_counts in zip(
        draw_counts(name=id_name, n=n, **shape),
        draw_counts(name=ood_name, n=m, **shape),
        strict=True,
    ):
        for method, ranking in rankings.items():
            parts[method].append(resampled_metrics(ranking, id_counts, ood_counts, tpr=tpr))
    return {
        method: {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        for method, blocks in parts.items()
    }


def _one_length(scores: Mapping[str, Float[np.ndarray, " _"]], name: str) -> int:
    """Return how many images every method scored."""
    first, *others = scores
    for method in others:
        if len(scores[method]) != len(scores[first]):
            raise ValueError(
                f"every method must score the same images of '{name}', got {len(scores[first])} "
                f"scores of '{first}' and {len(scores[method])} of '{method}'; score the set again"
            )
    return len(scores[first])


def percentile_interval(
    replicates: Float[np.ndarray, " b"], *, level: float = 0.95
) -> tuple[float, float]:
    """Interval that holds the central `level` of the replicates.

    Of paired replicates it is a joint interval: pass the differences, or the means over sets.
    """
    if not 0 < level < 1:
        raise ValueError(f"the confidence level must be between 0 and 1, got {level}")
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
