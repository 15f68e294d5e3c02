"""Features computed elsewhere, checked row by row before they become a store like any other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float32, Int32

from pipeline.extraction.imported_norms import check_one_norm, measure_norm
from pipeline.geometry import unit_norm
from pipeline.sources.array_files import FEATURE_NAMES, ImportedFileError, Parts, open_arrays


class Imported(NamedTuple):
    """What an import gives: rows as a stream of blocks, so that large files are never in memory.

    ``features`` is an iterable of float32 blocks [b d] in row order, with ``shape`` and, for
    small files, ``read()``.
    """

    features: "Rows"
    labels: Int32[np.ndarray, " n"]
    norm: Literal["raw", "unit"]
    space: Literal["features", "joint"]


@dataclass(frozen=True)
class Rows:
    """Checked rows of imported features; iterate for float32 blocks."""

    parts: Parts
    normalise: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and width."""
        return self.parts.shape

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.parts)

    def __iter__(self) -> Iterator[Float32[np.ndarray, "b d"]]:
        """Blocks in row order."""
        for _, block in self.parts.blocks():
            rows = block.astype(np.float32)
            yield unit_norm(rows) if self.normalise else rows

    def read(self) -> Float32[np.ndarray, "n d"]:
        """All rows at once."""
        return np.concatenate(list(self))


def import_features(
    backbone: str, model: dict[str, Any], dataset: str, index: pl.DataFrame
) -> Imported:
    """Open the features file of a data set and check every row of it.

    Args:
        backbone: The name in errors.
        model: Its entry: ``files`` by data set, ``norm``, ``space``, ``normalise``, ``columns``.
        dataset: Which file; its rows are in the order of the index.
        index: The data set's index, whose labels the store takes.

    Returns:
        The rows; ``norm`` is measured and must agree with a declared one; ``space`` is as
        declared, else ``features`` where a projection is given or no text, else ``joint``.

    Raises:
        ImportedFileError: If the file is missing or damaged, its rows and the labels differ in
            number, they are no finite floating point vectors, one is zero, or the norm is not
            the declared one or that of the first file, which is ID train's.
    """
    files = model.get("files") or {}
    where = f"models.{backbone}.files"
    if files.get(dataset) is None:
        known = ", ".join(sorted(name for name in files if files[name])) or "none"
        raise ImportedFileError(f"{where} has no file for '{dataset}'; it has {known}")
    columns = _columns(backbone, model)
    parts = open_arrays(
        Path(files[dataset]).expanduser(), column=columns.get("features"), names=FEATURE_NAMES
    )
    if len(parts.shape) != 2 or parts.shape[1] == 0:
        raise ImportedFileError(
            f"'{parts.path}' must hold a matrix [rows width], got the shape {parts.shape}"
        )
    if len(parts) != len(index):
        raise ImportedFileError(
            f"'{parts.path}' has {len(parts)} rows, and the index of '{dataset}' {len(index)} "
            "labels; they must be the same images in the same order"
        )
    measured = measure_norm(parts)
    normalise = bool(model.get("normalise", False))
    declared = model.get("norm")
    if not normalise and declared is not None and declared != measured.norm:
        raise ImportedFileError(
            f"models.{backbone}.norm declares '{declared}', but the rows of '{parts.path}' are "
            f"'{measured.norm}' (norms from {measured.smallest:.4g} to {measured.largest:.4g}); "
            f"set norm: {measured.norm}, or normalise: true for unit rows everywhere"
        )
    first = next(iter(files))
    if not normalise and first != dataset and files[first] is not None:
        other = Path(files[first]).expanduser()
        check_one_norm(backbone, parts, measured, other, column=columns.get("features"))
    joint = model.get("class_embeddings") is not None and model.get("projection") is None
    return Imported(
        Rows(parts, normalise),
        index["label"].to_numpy().astype(np.int32),
        "unit" if normalise else measured.norm,
        model.get("space") or ("joint" if joint else "features"),
    )


def import_text(backbone: str, model: dict[str, Any], *, classes: int) -> dict[str, np.ndarray]:
    """Read the text side that came with imported features.

    Returns:
        ``class_embeddings`` [c e] and, where given, ``negative_embeddings`` [w e], both brought to
        unit length, and ``projection`` [d e].

    Raises:
        ImportedFileError: If the number of rows is not the number of classes, widths differ, or
            values are bad.
    """
    columns = _columns(backbone, model)
    vectors = _matrix(
        model["class_embeddings"], columns.get("class_embeddings"), "class_embeddings"
    )
    if len(vectors) != classes:
        hint = "; it looks transposed" if vectors.shape[1] == classes else ""
        raise ImportedFileError(
            f"models.{backbone}.class_embeddings must have one row for each of the {classes} "
            f"classes, got the shape {vectors.shape}{hint}"
        )
    arrays = {"class_embeddings": unit_norm(vectors, what="class embeddings")}
    if model.get("projection") is not None:
        projection = _matrix(model["projection"], columns.get("projection"), "projection")
        if projection.shape[1] != vectors.shape[1]:
            hint = " (it looks transposed)" if projection.shape[0] == vectors.shape[1] else ""
            raise ImportedFileError(
                f"models.{backbone}.projection must map features to the {vectors.shape[1]} "
                f"dimensions of the class embeddings, got the shape {projection.shape}{hint}"
            )
        arrays["projection"] = projection
    if model.get("negative_embeddings") is not None:
        words = _matrix(
            model["negative_embeddings"], columns.get("negative_embeddings"), "negative_embeddings"
        )
        if words.shape[1] != vectors.shape[1]:
            raise ImportedFileError(
                f"models.{backbone}.negative_embeddings must have the width {vectors.shape[1]} of "
                f"the class embeddings, got the shape {words.shape}; encode both by one text tower"
            )
        arrays["negative_embeddings"] = unit_norm(words, what="negative embeddings")
    return arrays


def _columns(backbone: str, model: dict[str, Any]) -> dict[str, str]:
    """The names inside the files of a backbone."""
    columns = model.get("columns") or {}
    known = ("features", "class_embeddings", "projection", "negative_embeddings")
    if unknown := sorted(set(columns) - set(known)):
        raise ImportedFileError(
            f"models.{backbone}.columns names {', '.join(known)}, got '{unknown[0]}'; labels are a "
            "column of the data set: datasets.<name>.columns"
        )
    return columns


def _matrix(path: str, column: str | None, what: str) -> Float32[np.ndarray, "n d"]:
    parts = open_arrays(Path(path).expanduser(), column=column, names=(what, *FEATURE_NAMES))
    if len(parts.shape) != 2:
        raise ImportedFileError(f"{what} in '{path}' must be a matrix, got shape {parts.shape}")
    matrix = np.concatenate([block for _, block in parts.blocks()]).astype(np.float32)
    if not np.isfinite(matrix).all():
        raise ImportedFileError(f"{what} in '{path}' must be finite; it holds NaN or infinity")
    return matrix
