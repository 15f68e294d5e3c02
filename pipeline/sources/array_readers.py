"""One array out of one file, by the kind of file: the only place that knows their formats."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.sources.array_names import Column, choose
from pipeline.sources.array_rows import FileRows, ImportedFileError, in_memory
from pipeline.sources.parquet_rows import parquet_rows
from pipeline.sources.torch_rows import torch_rows

Named = tuple[str | None, FileRows]  # an array with its name, if it has one


def _holds_objects(path: Path) -> ImportedFileError:
    return ImportedFileError(
        f"'{path}' cannot be read as {path.suffix.lower()}: it holds Python objects as a pickle, "
        "which is not loaded, since pickles may run code. Save text by x.astype(str), numbers by "
        "x.astype('float32')"
    )


def _npy(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise (_holds_objects(path) if "Python objects" in str(error) else error) from error
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
        name = choose(path, archive.files, column, names)
        member = name if name in archive.zip.namelist() else f"{name}.npy"
        with archive.zip.open(member) as file:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
            else:  # of many or non-ASCII field names, which no rows of numbers have
                shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
            begin = file.tell()
        if dtype.hasobject:
            raise _holds_objects(path)
        if by_columns or not shape:  # not rows one after the other
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
        name = choose(path, list(archive.keys()), column, names)
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


def _parquet(path: Path, column: Column, names: tuple[str, ...]) -> Named:
    import polars as pl

    name = choose(path, list(pl.read_parquet_schema(path)), column, names)
    return name, parquet_rows(path, name)


READERS = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": torch_rows,
    ".pth": torch_rows,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
