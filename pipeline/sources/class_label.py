"""Names that the `datasets` library gives to label numbers, kept in a Parquet file's metadata."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipeline.sources.spec import SourceError


class ClassLabel(NamedTuple):
    """What the numbers 0, 1, … of a file stand for; ImageNet-1k has two cranes, 134 and 517."""

    names: tuple[str, ...]
    file: Path

    @property
    def keys(self) -> list[str]:
        """The names; the number stands behind one that several bear: ``crane (134)``."""
        borne = Counter(self.names)
        return [
            name if borne[name] == 1 else f"{name} ({number})"
            for number, name in enumerate(self.names)
        ]

    def keys_of(self, labels: Sequence[str]) -> list[str]:
        """The key of each number, "" for none.

        Raises:
            SourceError: If a number has no name.
        """
        by_number = {"": ""} | {str(number): key for number, key in enumerate(self.keys)}
        if unknown := next((label for label in labels if label not in by_number), None):
            raise SourceError(
                f"'{self.file}' has the label {unknown}, but names {len(self.names)} classes, 0 to "
                f"{len(self.names) - 1}; get the file again"
            )
        return [by_number[label] for label in labels]


def class_label(file: Path, column: str) -> ClassLabel | None:
    """Names of a column's numbers, if the file has any."""
    try:
        metadata = pl.read_parquet_metadata(file).get("huggingface")
    except (pl.exceptions.PolarsError, OSError):
        return None
    if not metadata:
        return None
    features = json.loads(metadata).get("info", {}).get("features", {})
    feature = features.get(column)
    names = feature.get("names") if isinstance(feature, dict) else None
    return ClassLabel(tuple(names), file) if isinstance(names, list) and names else None


def one_label(every: Sequence[tuple[Path, ClassLabel | None]]) -> ClassLabel | None:
    """The first of several files' names, whose order is the label order of all.

    Raises:
        SourceError: If a file names other classes, or none; the message names two files.
    """
    if not any(label for _, label in every):
        return None
    first = next(label for _, label in every if label)
    for file, label in every:
        if label is None or set(label.keys) != set(first.keys):
            other = sorted(set(label.keys) ^ set(first.keys))[0] if label else ""
            raise SourceError(
                f"the parts of a data set must name the same classes; '{first.file}' and '{file}' "
                + (f"differ in '{other}'" if label else "do not: the second names none")
                + ". Give each as a data set of its own, or write them with one ClassLabel"
            )
    return first
