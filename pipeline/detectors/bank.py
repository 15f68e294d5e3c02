"""The ID training features that neighbour scores look at, opened when the first of them does."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int, Int64

from pipeline.detectors.faiss_search import Shards
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.geometry import unit_norm


@dataclass(frozen=True)
class Sample:
    """Which rows of the bank to compare with.

    Attributes:
        alpha: Share of the bank, drawn at random; 1 is all of it.
        balanced: Draw equally many images of each class.
        seed: Of the draw.
    """

    alpha: float = 1.0
    balanced: bool = False
    seed: int = 0

    @property
    def whole(self) -> bool:
        """Whether it is the whole bank, whatever the seed."""
        return self.alpha == 1 and not self.balanced


@dataclass(frozen=True)
class Bank:
    """The bank, of which nothing is read before it is needed.

    Attributes:
        size: How many rows it has, as the detector says that was fitted on it.
        shards: Reads the features, shard by shard.
        read_labels: Reads the labels, which only classes and balanced samples need.
    """

    size: int
    shards: Callable[[], Shards]
    read_labels: Callable[[], Int[np.ndarray, " m"]]

    @cached_property
    def labels(self) -> Int[np.ndarray, " m"]:
        """Class of each row, -1 where there is none."""
        return self.read_labels()

    def rows(self, sample: Sample) -> Int64[np.ndarray, " s"]:
        """Rows of a sample, ascending, by `balanced_rows` or `random_rows`."""
        if sample.balanced:
            return balanced_rows(self.labels, alpha=sample.alpha, seed=sample.seed)
        return random_rows(self.size, alpha=sample.alpha, seed=sample.seed)

    def unit_shards(
        self, rows: Int64[np.ndarray, " s"], factors: Float32[np.ndarray, " m"] | None
    ) -> Shards:
        """The chosen rows (ascending), scaled to norm 1 and then by their factors, renumbered."""
        done = 0
        for start, features in self.shards():
            stop = start + len(features)
            mine = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
            if len(mine):
                units = unit_norm(features, what="bank features", start=start)
                units = units if len(mine) == len(units) else units[mine - start]
                yield done, units if factors is None else units * factors[mine, None]
            done += len(mine)


def random_rows(size: int, *, alpha: float, seed: int) -> Int64[np.ndarray, " s"]:
    """Rows of a random share of the bank, at least one, ascending.

    Raises:
        ValueError: If alpha is not in (0, 1].
    """
    _check_share(alpha)
    if alpha == 1:
        return np.arange(size)
    keep = max(1, round(alpha * size))
    return np.sort(np.random.default_rng(seed).choice(size, keep, replace=False))


def balanced_rows(
    labels: Int[np.ndarray, " m"], *, alpha: float, seed: int
) -> Int64[np.ndarray, " s"]:
    """Equally many rows of each class: alpha m / c, or as many as the smallest class has.

    Raises:
        ValueError: If alpha is not in (0, 1].
        NotApplicableError: If there are unlabelled images.
    """
    _check_share(alpha)
    classes, counts = np.unique(labels, return_counts=True)
    if classes[0] < 0:
        raise NotApplicableError(
            "a class-balanced bank needs labels, but the bank has unlabelled images; "
            "set balanced: false"
        )
    each = max(1, min(int(alpha * len(labels) / len(classes)), int(counts.min())))
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(np.flatnonzero(labels == c), each, replace=False) for c in classes]
    return np.sort(np.concatenate(chosen))


def _check_share(alpha: float) -> None:
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be in (0, 1], got {alpha}")
