"""Pseudo-labels: the zero-shot class of every bank image, and how good they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from pipeline.geometry import unit_norm
from pipeline.language.class_names import equal_names


@dataclass(frozen=True)
class PseudoLabelParams:
    """Section `pseudo_label`. The defaults are the paper's: hard labels, no filter.

    Attributes:
        soft: PLP learns the softmax of cosines / temperature instead of the argmax.
        temperature: Divisor of the cosines in that softmax; CLIP's own is 1 / logit_scale = 0.01.
            None: no softmax, the confidence is the cosine itself.
        min_confidence: Rows below are left out of PLP's training set; a probability where there
            is a temperature, else a cosine. None keeps all.
        keep: Share of each pseudo-class to keep, the most confident first; 1.0 keeps all.
    """

    soft: bool = False
    temperature: float | None = None
    min_confidence: float | None = None
    keep: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.soft and self.temperature is None:
            raise ValueError(
                "pseudo_label.soft needs pseudo_label.temperature (CLIP's own is 0.01), got null"
            )
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(f"pseudo_label.temperature must be above 0, got {self.temperature}")
        if not 0 < self.keep <= 1:
            raise ValueError(f"pseudo_label.keep must be in (0, 1], got {self.keep}")


def embeddings(
    features: Float32[np.ndarray, "n d"], projection: Float32[np.ndarray, "d e"] | None
) -> Float32[np.ndarray, "n e"]:
    """Return unit vectors in the joint space; without a projection the features are there."""
    return unit_norm(features if projection is None else features @ projection)


def cosine_softmax(
    cosines: Float32[np.ndarray, "n c"], *, temperature: float
) -> Float32[np.ndarray, "n c"]:
    """Return the softmax over classes of cosines / temperature."""
    scaled = (cosines - cosines.max(axis=1, keepdims=True)) / np.float32(temperature)
    powers = np.exp(scaled)
    return powers / powers.sum(axis=1, keepdims=True)


def assign(
    shards: Iterable[Float32[np.ndarray, "_ d"]],
    class_embeddings: Float32[np.ndarray, "c e"],
    projection: Float32[np.ndarray, "d e"] | None,
    *,
    temperature: float | None = None,
) -> tuple[Int32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Return the class of the nearest text and the confidence, shard by shard.

    Cosines are float32: in half precision they tie. Equal cosines go to the first class.

    Returns:
        Pseudo-labels, and their cosines, or probabilities where there is a temperature.
    """
    labels, confidence = [], []
    for features in shards:
        cosines = embeddings(features, projection) @ class_embeddings.T
        labels.append(cosines.argmax(axis=1).astype(np.int32))
        values = (
            cosines if temperature is None else cosine_softmax(cosines, temperature=temperature)
        )
        confidence.append(values.max(axis=1))
    if not labels:
        raise ValueError("the bank has no rows; pseudo-labels need ID training images")
    return np.concatenate(labels), np.concatenate(confidence)


def confident_rows(
    pseudo_labels: Int32[np.ndarray, " n"],
    confidence: Float32[np.ndarray, " n"],
    *,
    min_confidence: float | None = None,
    keep: float = 1.0,
) -> np.ndarray:
    """Return the rows that stay in PLP's training set, ascending.

    Raises:
        ValueError: If none stays.
    """
    stays = np.ones(len(pseudo_labels), dtype=bool)
    if min_confidence is not None:
        stays &= confidence >= min_confidence
        if not stays.any():
            raise ValueError(
                f"pseudo_label.min_confidence = {min_confidence} keeps no row; the highest "
                f"confidence is {confidence.max():.4f}"
            )
    if keep < 1.0:
        for label in np.unique(pseudo_labels[stays]):
            rows = np.flatnonzero(stays & (pseudo_labels == label))
            best_first = rows[np.argsort(-confidence[rows], kind="stable")]
            stays[best_first[int(np.ceil(keep * len(rows))) :]] = False
    return np.flatnonzero(stays)


def quality(
    pseudo_labels: Int32[np.ndarray, " n"],
    labels: Int32[np.ndarray, " n"],
    class_names: Sequence[str],
    *,
    kept: np.ndarray,
) -> dict[str, Any]:
    """Return accuracy, counts and dead classes, JSON-ready.

    A dead class has no pseudo-label: often because another class bears the same name. It is
    reported, not refused, since PLP can be trained without it; its score is never the maximum.
    Rows without a label (-1) do not count in the accuracy.
    """
    counts = np.bincount(pseudo_labels, minlength=len(class_names))
    counts_kept = np.bincount(pseudo_labels[kept], minlength=len(class_names))
    known = labels >= 0
    report: dict[str, Any] = {
        "rows": len(pseudo_labels),
        "rows_kept": len(kept),
        "classes": len(class_names),
        "counts": [
            {"label": label, "class": name, "rows": int(counts[label])}
            for label, name in enumerate(class_names)
        ],
        "dead_classes": [
            {"label": label, "class": name}
            for label, name in enumerate(class_names)
            if counts_kept[label] == 0
        ],
        "equal_names": equal_names(class_names),
    }
    if known.any():
        right = pseudo_labels == labels
        report["accuracy"] = round(float(right[known].mean()), 6)
        if known[kept].any():
            report["accuracy_kept"] = round(float(right[kept][known[kept]].mean()), 6)
    return report
