"""One array out of one file, by the kind of file: the only place that knows their formats."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.sources.array_rows import FileRows, ImportedFileError, NoSuchArrayError, in_memory
from pipeline.sources.parquet_rows import parquet_rows

# A name in the file; several: one of these and no other; None: one of the usual or the only one.
Column = str | tuple[str, ...] | None
Named = tuple[str | None, FileRows]  # an array with its name, if it has one


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
        array.close()
        raise ImportedFileError(f"'{path}' is an archive of arrays; call it .npz")

    def read(low: int, high: int) -> np.ndarray:
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[low:high])

    return None, FileRows(path, array.shape, array.dtype, read)


def _npz(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    """An array of an archive, packed or not; it cannot be mapped, so it is read as a stream."""
    archive = np.load(path, allow_pickle=False)
    if isinstance(archive, np.ndarray):
        raise ImportedFileError(f"'{path}' is a single array; call it .npy")
    with archive:
        name = _choose(path, archive.files, column, names)
        member = name if name in archive.zip.namelist() else f"{name}.npy"
        with archive.zip.open(member) as file:
            version = np.lib.format.read_magic(file)
            header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            shape, by_columns, dtype = header(file) if header else ((), True, np.dtype(object))
            begin = file.tell()
        if by_columns or dtype.hasobject or not shape:  # not rows one after the other
            return name, in_memory(path, archive[name])
    row_bytes = dtype.itemsize * int(np.prod(shape[1:]))

    def rows_of(file: Any, count: int) -> np.ndarray:
        rows = np.frombuffer(file.read(count * row_bytes), dtype)
        return rows.reshape(count, *shape[1:])

    def read(low: int, high: int) -> np.ndarray:
        with zipfile.ZipFile(path) as opened, opened.open(member) as file:
            file.read(begin)  # not by seeking, after which the checksum would not be compared
            if low:
                file.seek(begin + low * row_bytes)
            return rows_of(file, high - low)

    def stream(rows: int) -> Iterator[np.ndarray]:
        with zipfile.ZipFile(path) as opened, opened.open(member) as file:
            file.read(begin)
            for low in range(0, shape[0], rows):
                yield rows_of(file, min(rows, shape[0] - low))

    return name, FileRows(path, shape, dtype, read, stream)


def _safetensors(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    from safetensors import safe_open

    with safe_open(path, framework="np") as archive:
        name = _choose(path, list(archive.keys()), column, names)
        part = archive.get_slice(name)
        shape, kind = tuple(part.get_shape()), part.get_dtype()
        if not all(shape):  # one value, or none: nothing to slice
            return name, in_memory(path, archive.get_tensor(name))

    def read(low: int, high: int) -> np.ndarray:
        if kind == "BF16":  # NumPy knows no bfloat16
            with safe_open(path, framework="pt") as archive:
                return archive.get_slice(name)[low:high].float().numpy()
        with safe_open(path, framework="np") as archive:
            return archive.get_slice(name)[low:high]

    return name, FileRows(path, shape, read(0, 1).dtype, read)


def _torch(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    """A tensor, of which rows are read; lists, and files of PyTorch before 1.6, are read whole."""
    import torch

    mapped = zipfile.is_zipfile(path)

    def load() -> Any:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)

    def as_numpy(tensor: torch.Tensor) -> np.ndarray:
        tensor = tensor.detach()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()

    content, name = load(), None
    if isinstance(content, dict):
        name = _choose(path, [str(key) for key in content], column, names)
        content = content[name]
    if isinstance(content, list):
        content = torch.stack(content) if isinstance(content[0], torch.Tensor) else content
        mapped = False
    if not isinstance(content, torch.Tensor):
        return name, in_memory(path, np.asarray(content))
    if not mapped or content.ndim == 0:
        return name, in_memory(path, as_numpy(content))

    def read(low: int, high: int) -> np.ndarray:
        content = load()
        return as_numpy((content if name is None else content[name])[low:high])

    return name, FileRows(path, tuple(content.shape), as_numpy(content[:0]).dtype, read)


def _parquet(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    import polars as pl

    name = _choose(path, list(pl.read_parquet_schema(path)), column, names)
    return name, parquet_rows(path, name)


READERS = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _torch,
    ".pth": _torch,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
