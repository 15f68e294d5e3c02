"""Which pseudo-labels are confident enough to train on, and how good they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from pipeline.language.class_names import equal_names


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
