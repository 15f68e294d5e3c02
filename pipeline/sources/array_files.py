"""Arrays in the files other tools write: .npy, .npz, .pt, .safetensors, Parquet, folders of them.

Rows are read a block at a time, of Parquet with the row group around them; only a list of one
tensor a row, a file of PyTorch before 1.6 and an array in Fortran's order inside an .npz are read
whole. Nothing here runs code from a file: pickles are refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from pipeline.sources.array_names import Column
from pipeline.sources.array_readers import READERS
from pipeline.sources.array_rows import FileRows, ImportedFileError, NoSuchArrayError, unreadable
from pipeline.sources.natural_order import by_number

__all__ = ["ImportedFileError", "NoSuchArrayError", "Parts", "open_arrays"]

BLOCK_ROWS = 16_384
# Names tried in order where a file holds several arrays and no column is given.
FEATURE_NAMES = ("features", "embeddings", "image_features", "image_embeddings", "img_emb", "x")
LABEL_NAMES = ("labels", "label", "targets", "target", "y", "class")


@dataclass(frozen=True)
class Parts:
    """Arrays one after the other, as if they were one, read a block at a time.

    ``name`` is what the array is called in the file; None where the file is one array.
    """

    arrays: list[FileRows]
    path: str
    name: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""
        return (sum(len(array) for array in self.arrays), *self.arrays[0].shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Number type of the first part."""
        return self.arrays[0].dtype

    def __len__(self) -> int:
        """Rows of all parts."""
        return self.shape[0]

    def blocks(self) -> Iterator[tuple[int, Shaped[np.ndarray, "b *d"]]]:
        """Pairs of first row and rows, at most 16,384 at once."""
        start = 0
        for array in self.arrays:
            for rows in array.blocks(BLOCK_ROWS):
                yield start, rows
                start += len(rows)


def open_arrays(path: Path, *, column: Column, names: tuple[str, ...]) -> Parts:
    """Open an array by path: a file, or a folder of parts in natural order.

    Args:
        path: A file of one of the kinds above, or a folder: of such files, or clip-retrieval's
            output with its img_emb/ inside.
        column: Key or column name where the file holds several arrays; None: one of ``names``,
            or the only one there is. Several: one of them, and no other name.
        names: Which names to try.

    Raises:
        ImportedFileError: If the file is missing, damaged, of another kind, or ambiguous; as
            NoSuchArrayError if it is sound but has no array of the name.
    """
    if not path.exists():
        raise ImportedFileError(f"there is no file '{path}'")
    if path.is_dir():
        files = _parts(path, names=names)
        opened = _open_parts(files, column, names)
        arrays = [array for part in opened for array in part.arrays]
        widths = {array.shape[1:] for array in arrays}
        if len(widths) > 1:
            raise ImportedFileError(f"the parts in '{path}' differ in width: {sorted(widths)}")
        return Parts(arrays, str(path), opened[0].name)
    return _open(path, column, names)


def _parts(folder: Path, *, names: tuple[str, ...]) -> list[Path]:
    """Files of a folder of parts; clip-retrieval keeps vectors and metadata in two folders."""
    inner = folder / ("metadata" if names == LABEL_NAMES else "img_emb")
    folder = inner if inner.is_dir() else folder
    found = (file for file in folder.iterdir() if not file.name.startswith("."))
    files = [file for file in found if file.suffix.lower() in READERS]
    kinds = sorted({file.suffix.lower() for file in files})
    if len(kinds) != 1:
        kind = ImportedFileError if kinds else NoSuchArrayError
        raise kind(
            f"'{folder}' must hold array files of one kind ({', '.join(READERS)}), got "
            f"{', '.join(kinds) or 'none'}"
        )
    return sorted(files, key=lambda file: by_number(file.name))


def _open_parts(files: list[Path], column: Column, names: tuple[str, ...]) -> list[Parts]:
    opened: list[Parts] = []
    for number, file in enumerate(files):
        try:
            opened.append(_open(file, column, names))
        except NoSuchArrayError as error:
            if number == 0 and not any(_holds(other, column, names) for other in files[1:]):
                raise
            raise ImportedFileError(f"{error}; the other parts in '{file.parent}' do") from error
    return opened


def _holds(path: Path, column: Column, names: tuple[str, ...]) -> bool:
    try:
        return bool(_open(path, column, names).arrays)
    except NoSuchArrayError:
        return False


def _open(path: Path, column: Column, names: tuple[str, ...]) -> Parts:
    kind = path.suffix.lower()
    if kind not in READERS:
        known = ", ".join(READERS)
        raise ImportedFileError(f"'{path}' must be one of {known}, or a folder of them")
    try:
        name, array = READERS[kind](path, column, names)
    except Exception as error:
        raise unreadable(path, error) from error
    if not array.shape:
        raise ImportedFileError(
            f"'{name or 'the array'}' in '{path}' must have rows, got one value"
        )
    return Parts([array], str(path), name)
