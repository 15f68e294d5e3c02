"""Arrays in the files other tools write: .npy, .npz, .pt, .safetensors, Parquet, folders of them.

Large arrays are mapped, not read. Nothing here runs code from a file: pickles are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BLOCK_ROWS = 16_384
# Names tried in order where a file holds several arrays and no column is given.
FEATURE_NAMES = ("features", "embeddings", "image_features", "image_embeddings", "img_emb", "x")
LABEL_NAMES = ("labels", "label", "targets", "target", "y")


class ImportedFileError(ValueError):
    """A file of arrays that cannot be used; the message names it and the cure."""


@dataclass(frozen=True)
class Parts:
    """Arrays one after the other, as if they were one, read a block at a time."""

    arrays: list[Any]
    path: str

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

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Pairs of first row and rows, at most 16,384 at once."""
        start = 0
        for array in self.arrays:
            for low in range(0, len(array), BLOCK_ROWS):
                rows = np.asarray(array[low : low + BLOCK_ROWS])
                yield start, rows
                start += len(rows)


def natural(path: Path) -> list[Any]:
    """Sort key by which part_2 comes before part_10."""
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", path.name)]


def open_arrays(path: Path, *, column: str | None, names: tuple[str, ...]) -> Parts:
    """Open an array by path: a file, or a folder of parts in natural order.

    Args:
        path: A file of one of the kinds above, or a folder: of such files, or clip-retrieval's
            output with its img_emb/ inside.
        column: Key or column name where the file holds several arrays; None: one of ``names``,
            or the only one there is.
        names: Which names to try.

    Raises:
        ImportedFileError: If the file is missing, damaged, of another kind, or ambiguous.
    """
    if not path.exists():
        raise ImportedFileError(f"there is no file '{path}'")
    if path.is_dir():
        files = _parts(path, names=names)
        arrays = [array for file in files for array in _open(file, column, names).arrays]
        widths = {array.shape[1:] for array in arrays}
        if len(widths) > 1:
            raise ImportedFileError(f"the parts in '{path}' differ in width: {sorted(widths)}")
        return Parts(arrays, str(path))
    return _open(path, column, names)


def _parts(folder: Path, *, names: tuple[str, ...]) -> list[Path]:
    """Files of a folder of parts; clip-retrieval keeps vectors and metadata in two folders."""
    inner = folder / ("metadata" if names == LABEL_NAMES else "img_emb")
    folder = inner if inner.is_dir() else folder
    files = [file for file in folder.iterdir() if file.suffix.lower() in READERS]
    kinds = sorted({file.suffix.lower() for file in files})
    if len(kinds) != 1:
        raise ImportedFileError(
            f"'{folder}' must hold array files of one kind ({', '.join(READERS)}), got "
            f"{', '.join(kinds) or 'none'}"
        )
    return sorted(files, key=natural)


def _open(path: Path, column: str | None, names: tuple[str, ...]) -> Parts:
    kind = path.suffix.lower()
    if kind not in READERS:
        known = ", ".join(READERS)
        raise ImportedFileError(f"'{path}' must be one of {known}, or a folder of them")
    try:
        return Parts([READERS[kind](path, column, names)], str(path))
    except ImportedFileError:
        raise
    except Exception as error:  # each format has errors of its own
        reason = next(iter(str(error).splitlines()), repr(error))
        raise ImportedFileError(f"'{path}' cannot be read as {kind} ({reason})") from error


def _choose(path: Path, held: list[str], column: str | None, names: tuple[str, ...]) -> str:
    """Which of several arrays is meant.

    Raises:
        ImportedFileError: If none or several could be; lists them.
    """
    if column is not None:
        if column not in held:
            raise ImportedFileError(f"'{path}' has no '{column}'; it holds {', '.join(held)}")
        return column
    found = [name for name in names if name in held] or (held if len(held) == 1 else [])
    if not found:
        raise ImportedFileError(
            f"'{path}' holds {', '.join(held)}; none of them is called {' or '.join(names)}: "
            "name the right one in `columns`"
        )
    return found[0]


def _npy(path: Path, column: str | None, names: tuple[str, ...]) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _npz(path: Path, column: str | None, names: tuple[str, ...]) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        return archive[_choose(path, archive.files, column, names)]


def _safetensors(path: Path, column: str | None, names: tuple[str, ...]) -> np.ndarray:
    from safetensors import safe_open

    with safe_open(path, framework="np") as archive:
        name = _choose(path, list(archive.keys()), column, names)
        if archive.get_slice(name).get_dtype() != "BF16":
            return archive.get_tensor(name)
    with safe_open(path, framework="pt") as archive:  # NumPy knows no bfloat16
        return archive.get_tensor(name).float().numpy()


def _torch(path: Path, column: str | None, names: tuple[str, ...]) -> np.ndarray:
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, dict):
        content = content[_choose(path, [str(key) for key in content], column, names)]
    if isinstance(content, list):
        content = torch.stack(content) if isinstance(content[0], torch.Tensor) else content
    if not isinstance(content, torch.Tensor):
        return np.asarray(content)
    content = content.detach()
    return (content.float() if content.dtype == torch.bfloat16 else content).numpy()


def _parquet(path: Path, column: str | None, names: tuple[str, ...]) -> np.ndarray:
    import polars as pl

    name = _choose(path, list(pl.read_parquet_schema(path)), column, names)
    series = pl.read_parquet(path, columns=[name]).to_series()
    if isinstance(series.dtype, pl.List):
        lengths = series.list.len().unique()
        if len(lengths) != 1:
            raise ImportedFileError(f"the rows of '{name}' in '{path}' differ in length")
        series = series.cast(pl.Array(series.dtype.inner, int(lengths[0])))
    if series.null_count():
        raise ImportedFileError(f"'{name}' in '{path}' has {series.null_count()} empty rows")
    return series.to_numpy()


READERS = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _torch,
    ".pth": _torch,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
