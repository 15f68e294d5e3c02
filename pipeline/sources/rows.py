"""Rows of features computed elsewhere as a source: an order and labels, but no image files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.datasets.array_files import FEATURE_NAMES, LABEL_NAMES, Parts, open_arrays
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
            parts = open_arrays(Path(self.spec.labels), column=column, names=LABEL_NAMES)
        elif self.spec.classes is False:
            return None
        else:
            try:
                parts = open_arrays(
                    Path(self.spec.path), column=column or "labels", names=LABEL_NAMES
                )
            except ValueError:
                if column is not None:
                    raise
                return None
        return _as_labels(parts)

    def class_order(self) -> list[str] | None:
        """The labels' own numbering, known after `entries`."""
        return self._classes

    def read(self, path: str) -> bytes:
        """Refuse: there is no image behind a row."""
        raise SourceError(f"row {path} of '{self.spec.path}' is a feature vector, not an image")


def _as_labels(parts: Parts) -> list[int | str] | None:
    """Integers (a float file may hold whole numbers) or text; None for a matrix of features."""
    values = np.concatenate([np.asarray(array) for array in parts.arrays])
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1:
        return None
    if np.issubdtype(values.dtype, np.floating):
        if not (values == np.round(values)).all():
            raise SourceError(f"'{parts.path}' must hold whole numbers as labels")
        values = values.astype(np.int64)
    return values.tolist()
