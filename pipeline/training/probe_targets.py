"""Which rows of the bank a head is trained on, and towards what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, Shaped


@dataclass(frozen=True)
class Targets:
    """Training rows of one head.

    Attributes:
        rows: Rows of the bank, ascending.
        values: Of every row of the bank, used or not: classes [n], or probabilities [n c].
        dead: Classes no row is trained towards.
    """

    rows: Int64[np.ndarray, " m"]
    values: Shaped[np.ndarray, "n ..."]
    dead: list[int]


def from_labels(labels: Int32[np.ndarray, " n"], class_names: Sequence[str]) -> Targets:
    """Train on every labelled row.

    Raises:
        ValueError: If a label is out of range, or a class has no row.
    """
    if labels.max(initial=-1) >= len(class_names):
        raise ValueError(
            f"labels must be below the number of classes {len(class_names)}, got {labels.max()}; "
            "the bank and the class names are of different data sets"
        )
    rows = np.flatnonzero(labels >= 0)
    dead = _without_rows(labels[rows], len(class_names))
    if dead:
        raise ValueError(
            f"ID class {dead[0]} '{class_names[dead[0]]}' has no training row ({len(dead)} of "
            f"{len(class_names)} classes have none); add images, or leave the class out of the "
            "ID sets"
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


def _without_rows(labels: np.ndarray, classes: int) -> list[int]:
    return np.flatnonzero(np.bincount(labels, minlength=classes) == 0).tolist()
