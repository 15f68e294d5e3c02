"""Writing stores: whole, streamed, checksummed, and the same bytes for the same input."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer, Shaped

from pipeline.folders import folder_written_whole
from pipeline.storage.dtypes import to_dtype
from pipeline.storage.manifest import Manifest, StoreError
from pipeline.storage.sharding import write_shards

CHUNK_ROWS = 1024
SHARD_BYTES = 64 << 20


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


def write_store(
    path: Path,
    features: Shaped[np.ndarray, "..."] | Iterable[Shaped[np.ndarray, "_ d"]],
    labels: Integer[np.ndarray, " n"],
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
        features: Rows [n d] of a floating dtype, any norm; or a stream of row blocks in order
            (memory then holds one block).
        labels: Class numbers; -1 where there is none.
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
        "labels": _plan(np.asarray(labels, dtype=np.int32)),
    }
    about = {**attributes, "dtype": dtype, "rows": int(rows), "width": int(width)}
    _write_group(path, plan, about, before_publishing)


def write_arrays(
    path: Path, arrays: Mapping[str, Shaped[np.ndarray, "..."]], attributes: Mapping[str, Any]
) -> None:
    """Write a small group of named arrays in the same checksummed form."""
    _write_group(path, {name: _plan(array) for name, array in arrays.items()}, attributes)


@dataclass(frozen=True)
class ArrayPlan:
    """One array to be written: its blocks of rows and its grid."""

    blocks: Iterable[Shaped[np.ndarray, "_ *d"]]
    shape: tuple[int, ...]
    dtype: np.dtype
    chunk_rows: int
    shard_rows: int
    codec: str


def _plan(array: np.ndarray) -> ArrayPlan:
    """Plan a small array as one shard of one chunk, not compressed."""
    array = np.ascontiguousarray(array)
    rows = max(len(array), 1)
    return ArrayPlan([array], array.shape, array.dtype, rows, rows, codec="none")


def _write_group(
    path: Path,
    plan: Mapping[str, ArrayPlan],
    attributes: Mapping[str, Any],
    before_publishing: Callable[[], None] | None = None,
) -> None:
    """Write metadata by zarr, shards as streams, the manifest last; move all into place."""
    import zarr

    with folder_written_whole(path) as unfinished:
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


def _sorted(value: Any) -> Any:
    """Return a mapping with sorted keys, all the way down, so that equal content is equal bytes."""
    if isinstance(value, Mapping):
        return {str(key): _sorted(value[key]) for key in sorted(value)}
    return value
