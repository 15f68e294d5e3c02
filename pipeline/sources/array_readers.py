"""One array out of one file, by the kind of file: the only place that knows their formats."""

from pathlib import Path
from typing import Any

import numpy as np

# A name in the file; several: one of these and no other; None: one of the usual or the only one.
Column = str | tuple[str, ...] | None
Named = tuple[str | None, Any]  # an array with its name, if it has one


class ImportedFileError(ValueError):
    """A file of arrays that cannot be used; the message names it and the cure."""


class NoSuchArrayError(ImportedFileError):
    """A file that can be read, but holds no array of the wanted name."""


def _choose(path: Path, held: list[str], column: Column, names: tuple[str, ...]) -> str:
    """Which of several arrays is meant.

    Raises:
        ImportedFileError: If none or several could be; lists them.
    """
    if column is not None:
        wanted = (column,) if isinstance(column, str) else column
        given = [name for name in wanted if name in held]
        if not given:
            asked = "', '".join(wanted)
            raise NoSuchArrayError(f"'{path}' has no '{asked}'; it holds {', '.join(held)}")
        if len(given) > 1:
            raise ImportedFileError(
                f"'{path}' holds {' and '.join(given)}; name the right one in `columns`"
            )
        return given[0]
    found = [name for name in names if name in held] or (held if len(held) == 1 else [])
    if not found:
        raise ImportedFileError(
            f"'{path}' holds {', '.join(held)}; none of them is called {' or '.join(names)}: "
            "name the right one in `columns`"
        )
    return found[0]


def _npy(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ImportedFileError(f"'{path}' is an archive of arrays; call it .npz")
    return None, array


def _npz(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    archive = np.load(path, allow_pickle=False)
    if isinstance(archive, np.ndarray):
        raise ImportedFileError(f"'{path}' is a single array; call it .npy")
    with archive:
        name = _choose(path, archive.files, column, names)
        return name, archive[name]


def _safetensors(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    from safetensors import safe_open

    with safe_open(path, framework="np") as archive:
        name = _choose(path, list(archive.keys()), column, names)
        if archive.get_slice(name).get_dtype() != "BF16":
            return name, archive.get_tensor(name)
    with safe_open(path, framework="pt") as archive:  # NumPy knows no bfloat16
        return name, archive.get_tensor(name).float().numpy()


def _torch(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    name = None
    if isinstance(content, dict):
        name = _choose(path, [str(key) for key in content], column, names)
        content = content[name]
    if isinstance(content, list):
        content = torch.stack(content) if isinstance(content[0], torch.Tensor) else content
    if not isinstance(content, torch.Tensor):
        return name, np.asarray(content)
    content = content.detach()
    return name, (content.float() if content.dtype == torch.bfloat16 else content).numpy()


def _parquet(path: Path, column: Column, names: tuple[str, ...]) -> Named:
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
    return name, series.to_numpy()


READERS = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _torch,
    ".pth": _torch,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
