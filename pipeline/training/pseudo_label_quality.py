"""Which pseudo-labels are confident enough to train on, and how good they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Int64

from pipeline.language.class_names import equal_names
from pipeline.name_lists import first_and_more

_ENOUGH = 50  # labelled rows that tell a wrong order from bad luck


def confident_rows(
    pseudo_labels: Int32[np.ndarray, " n"],
    confidence: Float32[np.ndarray, " n"],
    *,
    min_confidence: float | None = None,
    keep: float = 1.0,
) -> Int64[np.ndarray, " k"]:
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
    kept: Int64[np.ndarray, " k"],
) -> dict[str, Any]:
    """Return accuracy, counts and dead classes, JSON-ready.

    A dead class has no pseudo-label: often because another class bears the same name. It is
    reported, not refused, since PLP can be trained without it; its score is never the maximum.
    Rows without a label (-1) do not count in the accuracy. Where it is that of guesses, a warning
    says so: see `chance_warning`.
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
    if warning := chance_warning(pseudo_labels, labels, class_names):
        report["warning"] = warning
    return report


def chance_warning(
    pseudo_labels: Int32[np.ndarray, " n"],
    labels: Int32[np.ndarray, " n"],
    class_names: Sequence[str],
) -> str | None:
    """What to tell where the nearest text is right hardly more often than a guess, else None.

    Texts in another order than the labels look like that, and every score of theirs still runs. A
    guess among c classes is right in 1/c of the rows. Up to 2/c is told, of two or three classes
    1/c; rows without label or pseudo-label (-1) do not count, and fewer than 50 tell nothing.
    """
    known = (labels >= 0) & (pseudo_labels >= 0)
    rows, classes = int(known.sum()), len(class_names)
    if rows < _ENOUGH:
        return None
    accuracy = float((pseudo_labels == labels)[known].mean())
    if accuracy > (2 if classes > 3 else 1) / classes:
        return None
    order = first_and_more(class_names, shown=5)
    return (
        f"the nearest text is right for {100 * accuracy:.1f} % of {rows} labelled rows, guesses "
        f"{100 / classes:.1f} %; class embeddings and class names must stand in the order of the "
        f"labels: {order}"
    )
