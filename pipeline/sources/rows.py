"""Rows of features computed elsewhere as a source: an order and labels, but no image files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.sources.array_files import (
    FEATURE_NAMES,
    LABEL_NAMES,
    NoSuchArrayError,
    Parts,
    open_arrays,
)
from pipeline.sources.listing import Entry, numbered_classes
from pipeline.sources.spec import RowsSet, SourceError


@dataclass
class RowsSource:
    """Row numbers as paths; labels from the features file itself or a file beside it."""

    spec: RowsSet
    _classes: list[str] | None = None

    def entries(self) -> list[Entry]:
        """One entry a row, with its label as class."""
        path = Path(self.spec.path)
        labels = self._labels()
        rows = len(labels) if labels is not None else 0
        if labels is None or self.spec.labels is not None:
            parts = open_arrays(path, column=self.spec.columns.get("features"), names=FEATURE_NAMES)
            rows = len(parts)
        if labels is not None and len(labels) != rows:
            raise SourceError(
                f"'{path}' has {rows} rows and '{self.spec.labels}' {len(labels)} labels; they "
                "must be the same images in the same order"
            )
        keys = ["" if str(label) in ("-1", "") else str(label) for label in labels or [""] * rows]
        self._classes = numbered_classes(keys)
        return [Entry(f"{row:09d}", key) for row, key in enumerate(keys)]

    def _labels(self) -> list[int | str] | None:
        """The labels, or None where nothing holds any."""
        column = self.spec.columns.get("labels")
        if self.spec.labels is not None:
            labels = Path(self.spec.labels)
            return _as_labels(open_arrays(labels, column=column, names=LABEL_NAMES))
        if self.spec.classes is False:
            return None
        try:
            parts = open_arrays(
                Path(self.spec.path), column=column or LABEL_NAMES, names=LABEL_NAMES
            )
        except NoSuchArrayError:
            if column is not None:
                raise
            return None
        matrix = len(parts.shape) > 1 and parts.shape[1] > 1
        return None if parts.name is None and matrix else _as_labels(parts)  # the features alone

    def class_order(self) -> list[str] | None:
        """The labels' own numbering, known after `entries`."""
        return self._classes

    def read(self, path: str) -> bytes:
        """Refuse: there is no image behind a row."""
        raise SourceError(f"row {path} of '{self.spec.path}' is a feature vector, not an image")


def _as_labels(parts: Parts) -> list[int | str]:
    """Labels of all parts: whole numbers, which a float file may hold too, or text.

    Raises:
        SourceError: If they are a matrix, no whole numbers, or no text.
    """
    shapes = [array.shape for array in parts.arrays]
    if shape := next((s for s in shapes if len(s) != 1 and s[1:] != (1,)), None):
        raise SourceError(
            f"'{parts.path}' must hold one label a row, got an array of the shape {shape}; of "
            "one-hot rows save .argmax(axis=1), of several labels an image choose one"
        )
    every = [array[:] for array in parts.arrays]
    if len({array.dtype.kind in "biuf" for array in every}) > 1:
        kinds = ", ".join(sorted({str(array.dtype) for array in every}))
        raise SourceError(f"the parts of '{parts.path}' must hold labels of one kind, got {kinds}")
    return [label for array in every for label in _told(array.reshape(-1), parts.path)]


def _told(values: np.ndarray, path: str) -> list[int | str]:
    """Labels of one part as Python's own numbers or text."""
    if values.dtype.kind in "biu":
        return [int(value) for value in values.tolist()]
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
        whole = (values == np.round(values)) & (np.abs(values) < 2**53)  # NaN is neither
        if not whole.all():
            raise SourceError(
                f"'{path}' must hold whole numbers as labels, got {values[~whole][0]} in row "
                f"{np.flatnonzero(~whole)[0]} of {len(values)}; are these the labels?"
            )
        return values.astype(np.int64).tolist()
    try:
        labels = [v.decode() if isinstance(v, bytes) else v for v in values.tolist()]
    except UnicodeDecodeError as error:
        raise SourceError(f"'{path}' must hold text in UTF-8 as labels ({error})") from error
    if strange := [label for label in labels if not isinstance(label, str)]:
        raise SourceError(
            f"'{path}' must hold whole numbers or text as labels, got {strange[0]!r} "
            f"({values.dtype})"
        )
    return labels
