"""Features on disk: Zarr v3 groups, sharded, checksummed, the same bytes for the same input.

A feature store holds `features` [n d] and `labels` [n] and says in its attributes what they are
(backbone, dataset, norm, space). Opening checks the list of files, reading checks their content:
damage is an error that names the shard and the cure, never a row of zeros.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from pipeline.storage.manifest import Manifest, StoreError, damaged
from pipeline.storage.sharding import write_shards

__all__ = ["FeatureSet", "StoreError", "iter_shards", "read_arrays", "read_features", "write_store"]

CHUNK_ROWS = 1024
SHARD_BYTES = 64 << 20
DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class FeatureSet:
    """All rows of one store, widened to float32 for arithmetic."""

    features: Float32[np.ndarray, "n d"]
    labels: Int32[np.ndarray, " n"]
    attributes: dict[str, Any]


def shard_shape(
    rows: int, width: int, *, dtype: str = "float16", shard_rows: int | None = None
) -> tuple[int, int]:
    """Return rows of an inner chunk and of a shard.

    By default a shard is the smallest multiple of 1024 rows of at least 64 MiB; a small array is
    one shard of its own length.
    """
    if shard_rows is not None and shard_rows < 1:
        raise ValueError(f"shard_rows must be at least 1, got {shard_rows}")
    wanted = shard_rows or -(-SHARD_BYTES // (width * np.dtype(dtype).itemsize))
    chunk = min(CHUNK_ROWS, wanted if shard_rows else CHUNK_ROWS, max(rows, 1))
    chunks = min(-(-wanted // chunk), -(-max(rows, 1) // chunk))
    return chunk, chunk * chunks


def to_dtype(block: np.ndarray, dtype: str, *, start: int = 0) -> np.ndarray:
    """Cast rows for storage.

    Args:
        block: Rows [b d] in any floating dtype.
        dtype: "float16" or "float32".
        start: Row number of the first, for the message.

    Raises:
        ValueError: If a value is not finite, or does not fit float16; the message names rows.
    """
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype '{dtype}' for a store; known: {', '.join(DTYPES)}")
    if not np.issubdtype(block.dtype, np.floating):
        raise ValueError(f"features must be floating point numbers, got {block.dtype}")
    with np.errstate(over="ignore"):
        cast = block.astype(dtype, copy=False)
    if np.isfinite(cast).all():
        return cast
    finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite) + start
        raise ValueError(f"features must be finite; NaN or infinity in {_rows(bad)}")
    bad = np.flatnonzero(~np.isfinite(cast).reshape(len(block), -1).all(axis=1)) + start
    largest = float(np.abs(block).max())
    raise ValueError(
        f"values up to {largest:.6g} do not fit {dtype} (largest 65504) in {_rows(bad)}; "
        "set extract.dtype: float32"
    )


def _rows(bad: np.ndarray) -> str:
    """Return 'row 3' or 'rows 3, 5, … (17 in all)'."""
    listed = ", ".join(map(str, bad[:8]))
    if len(bad) == 1:
        return f"row {listed}"
    return f"rows {listed}" + (f", … ({len(bad)} in all)" if len(bad) > 8 else "")


def write_store(
    path: Path,
    features: np.ndarray | Iterable[np.ndarray],
    labels: np.ndarray,
    attributes: Mapping[str, Any],
    *,
    dtype: str = "float16",
    shard_rows: int | None = None,
    codec: str = "none",
    before_publishing: Callable[[], None] | None = None,
) -> None:
    """Write a feature store whole: under another name first, then moved into place.

    Args:
        path: Where the store goes; what is there is replaced.
        features: Rows [n d], or a stream of row blocks in order (memory then holds one block).
        labels: Class numbers [n]; -1 where there is none.
        attributes: What the rows are; `rows`, `width` and `dtype` are added.
        dtype: "float16" or "float32".
        shard_rows: Rows of a shard; None for 64 MiB.
        codec: "none" or "blosc".
        before_publishing: Called when all is written and not yet in place; may refuse by raising.

    Raises:
        ValueError: If rows are not finite, overflow the dtype, or differ in number from labels.
    """
    blocks = iter([features] if isinstance(features, np.ndarray) else features)
    first = next(blocks, None)
    if first is None or len(labels) == 0:
        raise ValueError(f"a store needs at least one row; {path} would have none")
    if first.ndim != 2 or first.shape[1] == 0:
        raise ValueError(f"features must be a matrix [n d], got the shape {first.shape}")
    width, rows = first.shape[1], len(labels)
    chunk, shard = shard_shape(rows, width, dtype=dtype, shard_rows=shard_rows)

    def stream() -> Iterator[np.ndarray]:
        start = 0
        block = first
        while block is not None:
            for low in range(0, len(block), CHUNK_ROWS):
                piece = block[low : low + CHUNK_ROWS]
                yield to_dtype(piece, dtype, start=start + low)
            start += len(block)
            block = next(blocks, None)

    plan = {
        "features": ArrayPlan(stream(), (rows, width), np.dtype(dtype), chunk, shard, codec),
        "labels": _plan(np.asarray(labels, dtype=np.int32), codec="none"),
    }
    about = {**attributes, "dtype": dtype, "rows": int(rows), "width": int(width)}
    _write_group(path, plan, about, before_publishing)


def iter_shards(
    path: Path, *, name: str = "features", block: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, float32 rows) shard by shard, each checked before it is read.

    Args:
        path: A store.
        name: Of the array.
        block: Rows of a shard to read at a time, for little memory; None for all of them.

    Raises:
        StoreError: If the store or a shard is damaged.
    """
    manifest, group = _open(path)
    array = group[name]
    rows, per_shard = array.shape[0], array.shards[0]
    for number, start in enumerate(range(0, rows, per_shard)):
        file = "/".join([name, "c", str(number)] + ["0"] * (array.ndim - 1))
        if problems := manifest.check_content(path, [file]):
            raise StoreError(damaged(path, problems))
        stop = min(start + per_shard, rows)
        for low in range(start, stop, block or per_shard):
            part = array[low : min(low + (block or per_shard), stop)]
            yield low, np.asarray(part).astype(np.float32, copy=False)


def read_attributes(path: Path) -> dict[str, Any]:
    """Return what a store says about itself; no row is read."""
    return dict(_open(path)[1].attrs)


def read_features(path: Path) -> FeatureSet:
    """Read a whole feature store, every shard checked.

    Raises:
        StoreError: If the store is missing or damaged; names the shard and the cure.
    """
    arrays, attributes = read_arrays(path)
    if not {"features", "labels"} <= set(arrays):
        raise StoreError(f"{path} is no feature store: it holds {', '.join(sorted(arrays))}")
    features = arrays["features"].astype(np.float32, copy=False)
    return FeatureSet(features, arrays["labels"], attributes)


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read all arrays and attributes of a store, every file checked.

    Raises:
        StoreError: If the store is missing or damaged.
    """
    manifest, group = _open(path)
    if problems := manifest.check_content(path, manifest.files):
        raise StoreError(damaged(path, problems))
    arrays = {name: np.asarray(group[name][...]) for name in sorted(manifest.arrays)}
    return arrays, dict(group.attrs)


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]
) -> None:
    """Write a small group of named arrays in the same checksummed form."""
    _write_group(path, {name: _plan(array) for name, array in arrays.items()}, attributes)


@dataclass(frozen=True)
class ArrayPlan:
    """One array to be written: its blocks of rows and its grid."""

    blocks: Iterable[np.ndarray]
    shape: tuple[int, ...]
    dtype: np.dtype
    chunk_rows: int
    shard_rows: int
    codec: str


def _plan(array: np.ndarray, *, codec: str = "none") -> ArrayPlan:
    """Plan a small array as one shard of one chunk."""
    array = np.ascontiguousarray(array)
    rows = max(len(array), 1)
    return ArrayPlan([array], array.shape, array.dtype, rows, rows, codec)


def _write_group(
    path: Path,
    plan: Mapping[str, ArrayPlan],
    attributes: Mapping[str, Any],
    before_publishing: Callable[[], None] | None = None,
) -> None:
    """Write metadata by zarr, shards as streams, the manifest last; move all into place."""
    import zarr

    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)
    # a name of this run's own: what an orphan of an earlier run still does touches only its folder
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        group = zarr.create_group(unfinished, zarr_format=3, attributes=_sorted(attributes))
        for name, array in sorted(plan.items()):
            _declare(group, name, array)
            rows = write_shards(
                unfinished / name / "c",
                array.blocks,
                chunk_rows=array.chunk_rows,
                shard_rows=array.shard_rows,
                dtype=array.dtype,
                codec=array.codec,
            )
            if rows != array.shape[0]:
                raise ValueError(
                    f"{path}: {rows} rows of {name} and {array.shape[0]} were declared"
                )
        arrays = {
            name: {"shape": list(array.shape), "dtype": str(array.dtype)}
            for name, array in plan.items()
        }
        manifest = Manifest.measure(unfinished, arrays)
        if absent := sorted(planned_files(plan) - set(manifest.files)):
            raise StoreError(
                f"{path} was not written: {absent[0]} vanished from {unfinished}; another run "
                "writes the same store: wait for it or stop it, then run the same command again"
            )
        manifest.save(unfinished)
        if before_publishing is not None:
            before_publishing()
        publish(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def planned_files(plan: Mapping[str, ArrayPlan]) -> set[str]:
    """Return the files of a group of arrays, its manifest apart."""
    files = {"zarr.json"}
    for name, array in plan.items():
        ends = "/0" * (len(array.shape) - 1)
        shards = -(-array.shape[0] // array.shard_rows)
        files |= {f"{name}/zarr.json", *(f"{name}/c/{n}{ends}" for n in range(shards))}
    return files


def _declare(group: Any, name: str, array: ArrayPlan) -> None:
    """Let zarr write the metadata of one array."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    codecs: list[Any] = [Crc32cCodec()]
    if array.codec == "blosc":
        shuffle = {"cname": "zstd", "clevel": 5, "shuffle": "shuffle"}
        codecs.insert(0, BloscCodec(typesize=array.dtype.itemsize, **shuffle))
    tail = array.shape[1:]
    group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=(array.chunk_rows, *tail),
        shards=(array.shard_rows, *tail),
        compressors=codecs,
        fill_value=0,
    )


def publish(finished: Path, path: Path) -> None:
    """Move a finished folder into place, replacing what is there, safely on the disk."""
    if path.exists():
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        finished.rename(path)
        shutil.rmtree(old)
    else:
        finished.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _open(path: Path) -> tuple[Manifest, Any]:
    """Open a store read-only after checking its list of files and its metadata."""
    import zarr

    manifest = Manifest.load(path)
    metadata = [name for name in manifest.files if name.endswith("zarr.json")]
    problems = manifest.check_listing(path) or manifest.check_content(path, metadata)
    if problems:
        raise StoreError(damaged(path, problems))
    return manifest, zarr.open_group(path, mode="r")


def _sorted(value: Any) -> Any:
    """Return a mapping with sorted keys, all the way down, so that equal content is equal bytes."""
    if isinstance(value, Mapping):
        return {str(key): _sorted(value[key]) for key in sorted(value)}
    return value
