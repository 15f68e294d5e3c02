"""Which rows of the bank a head is trained on, and towards what."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped


@dataclass(frozen=True)
class Targets:
    """Training rows of one head.

    Attributes:
        rows: Rows of the bank, ascending.
        values: Classes of every row of the bank, used or not.
        dead: Classes no row is trained towards.
        soft: Gives the probabilities [b c] of raw rows [b d], where they take the classes' place.
            They are many, so they are made where they are needed.
        drawn: Gives the rows of another seed, where a seed draws them.
    """

    rows: Int64[np.ndarray, " m"]
    values: Int32[np.ndarray, " n"]
    dead: list[int]
    soft: Callable[[np.ndarray], np.ndarray] | None = None
    drawn: Callable[[int], "Targets"] | None = None

    def by_seed(self, seeds: Sequence[int]) -> Iterator[tuple["Targets", Sequence[int]]]:
        """Yield training rows with the seeds that share them: all, or each its own."""
        if self.drawn is None:
            yield self, seeds
        else:
            yield from ((self.drawn(seed), [seed]) for seed in seeds)

    @property
    def nbytes(self) -> int:
        """Return the size of the arrays."""
        return self.rows.nbytes + self.values.nbytes

    def pick(
        self, blocks: Iterable[tuple[int, Float32[np.ndarray, "_ d"]]]
    ) -> Iterator[tuple[Float32[np.ndarray, "_ d"], Shaped[np.ndarray, "_ ..."]]]:
        """Yield the training rows of each block and their targets.

        Args:
            blocks: First row and rows of consecutive blocks of the bank.
        """
        for start, block in blocks:
            first, last = np.searchsorted(self.rows, [start, start + len(block)])
            rows = self.rows[first:last]
            chosen = block if len(rows) == len(block) else block[rows - start]
            if len(rows):
                yield chosen, self.values[rows] if self.soft is None else self.soft(chosen)


def from_labels(labels: Int32[np.ndarray, " n"], class_names: Sequence[str]) -> Targets:
    """Train on every labelled row.

    Raises:
        ValueError: If a label is out of range, or a class has no row.
    """
    if labels.max(initial=-1) >= len(class_names):
        raise ValueError(
            f"labels must be below the number of classes {len(class_names)}, got {labels.max()}; "
            "the bank and the class names are of different data sets, or labels count from 1 (set "
            "datasets.<name>.first_label: 1)"
        )
    rows = np.flatnonzero(labels >= 0)
    dead = _without_rows(labels[rows], len(class_names))
    if dead:
        raise ValueError(
            f"ID class {dead[0]} '{class_names[dead[0]]}' has no training row ({len(dead)} of "
            f"{len(class_names)} classes have none); add images, or leave the class out by "
            "datasets.<name>.exclude_classes of the ID sets"
        )
    return Targets(rows, labels, [])


def few_shot(
    labels: Int32[np.ndarray, " n"], class_names: Sequence[str], *, shots: int, seed: int
) -> Targets:
    """Train on some random rows of each class.

    Raises:
        ValueError: If a class has fewer rows.
    """
    rng = np.random.default_rng(seed)
    whole = from_labels(labels, class_names)
    chosen = []
    for label, name in enumerate(class_names):
        rows = np.flatnonzero(labels == label)
        if len(rows) < shots:
            raise ValueError(
                f"probe.shots = {shots} needs as many images of every class; class {label} "
                f"'{name}' has {len(rows)}"
            )
        chosen.append(rng.choice(rows, shots, replace=False))
    return Targets(np.sort(np.concatenate(chosen)), whole.values, [])


def from_pseudo_labels(
    rows: Int64[np.ndarray, " m"],
    pseudo_labels: Int32[np.ndarray, " m"],
    *,
    bank_rows: int,
    classes: int,
) -> Targets:
    """Train towards the pseudo-labels of the rows that have one; dead classes are told."""
    values = np.full(bank_rows, -1, dtype=np.int32)
    values[rows] = pseudo_labels
    return Targets(rows, values, _without_rows(pseudo_labels, classes))


def check_labels(labels: Shaped[np.ndarray, "m ..."], *, rows: int, classes: int) -> None:
    """Refuse labels that cannot be learned from.

    Raises:
        ValueError: If there are none, they are not one a row, or no class or probabilities.
    """
    if rows == 0 or len(labels) != rows:
        raise ValueError(
            f"a probe needs one or more rows with one label each, got {rows} rows and "
            f"{len(labels)} labels"
        )
    if labels.ndim == 1:
        if not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(
                f"labels must be in 0 .. {classes - 1}, got {labels.min()} .. {labels.max()}"
            )
        return
    if labels.shape != (rows, classes):
        raise ValueError(
            f"soft labels must hold one probability a class, [{rows} {classes}], got the shape "
            f"{list(labels.shape)}"
        )
    off = ~((labels >= 0).all(axis=1) & (np.abs(labels.sum(axis=1, dtype=np.float64) - 1) < 1e-3))
    if off.any():
        raise ValueError(
            f"soft labels must be 0 or more and add up to 1 in each row, row {off.argmax()} holds "
            f"{labels[off.argmax()][:8]}"
        )


def _without_rows(labels: np.ndarray, classes: int) -> list[int]:
    return np.flatnonzero(np.bincount(labels, minlength=classes) == 0).tolist()
