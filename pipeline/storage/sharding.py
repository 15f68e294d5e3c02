"""Zarr v3 shards written as a stream: memory holds one inner chunk, not the shard.

zarr-python encodes a shard from an array that is whole in memory. A shard is only its inner
chunks one after another and an index at the end, so it can be written while rows arrive; the
tests hold these bytes equal to zarr's own. Zarr does all the reading.
"""

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np
from jaxtyping import Shaped

CODECS = ("none", "blosc")
ABSENT = struct.pack("<QQ", 2**64 - 1, 2**64 - 1)  # an inner chunk beyond the last row


def crc32c(data: bytes) -> bytes:
    """Return the four little-endian checksum bytes that Zarr's crc32c codec appends."""
    return struct.pack("<I", google_crc32c.value(data))


def encoder(codec: str, itemsize: int) -> Callable[[bytes], bytes]:
    """Return the function from an inner chunk's raw bytes to its stored bytes.

    Raises:
        ValueError: If the codec is neither "none" nor "blosc" (zstd level 5, byte shuffle).
    """
    if codec == "none":
        return lambda raw: raw + crc32c(raw)
    if codec == "blosc":
        from numcodecs.blosc import SHUFFLE, compress

        def compressed(raw: bytes) -> bytes:
            data = bytes(compress(raw, b"zstd", 5, SHUFFLE, 0, typesize=itemsize))
            return data + crc32c(data)

        return compressed
    raise ValueError(f"unknown codec '{codec}'; known: {', '.join(CODECS)}")


def in_chunks(
    blocks: Iterable[Shaped[np.ndarray, "_ *d"]], *, chunk_rows: int
) -> Iterator[Shaped[np.ndarray, "_ *d"]]:
    """Cut a stream of row blocks of any lengths into pieces of `chunk_rows`; the last may be short.

    A piece is valid until the next one is asked for.
    """
    buffer: np.ndarray | None = None
    filled = 0
    for block in blocks:
        if buffer is None:
            buffer = np.empty((chunk_rows, *block.shape[1:]), dtype=block.dtype)
        taken = 0
        while taken < len(block):
            step = min(chunk_rows - filled, len(block) - taken)
            buffer[filled : filled + step] = block[taken : taken + step]
            filled, taken = filled + step, taken + step
            if filled == chunk_rows:
                yield buffer
                filled = 0
    if buffer is not None and filled:
        yield buffer[:filled]


def write_shards(
    folder: Path,
    blocks: Iterable[Shaped[np.ndarray, "_ *d"]],
    *,
    chunk_rows: int,
    shard_rows: int,
    dtype: np.dtype,
    codec: str = "none",
) -> int:
    """Write rows as the shard files of one Zarr array.

    Args:
        folder: The array's `c` folder.
        blocks: Rows in order, in pieces of any lengths, already of the stored dtype.
        chunk_rows: Rows of an inner chunk.
        shard_rows: Rows of a shard, a multiple of `chunk_rows`.
        dtype: The stored dtype; bytes are little-endian.
        codec: "none" or "blosc"; crc32c follows either.

    Returns:
        The number of rows written.
    """
    encode = encoder(codec, dtype.itemsize)
    per_shard = shard_rows // chunk_rows
    rows = 0
    index: list[bytes] = []
    offset = 0
    stream = None
    try:
        for number, chunk in enumerate(in_chunks(blocks, chunk_rows=chunk_rows)):
            if number % per_shard == 0:
                tail = ("0",) * (chunk.ndim - 1)
                path = folder.joinpath(str(number // per_shard), *tail)
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = path.open("wb")
                index, offset = [], 0
            raw = chunk.astype(dtype.newbyteorder("<"), copy=False).tobytes()
            padding = (chunk_rows - len(chunk)) * (len(raw) // len(chunk))
            data = encode(raw + bytes(padding))
            assert stream is not None
            stream.write(data)
            index.append(struct.pack("<QQ", offset, len(data)))
            offset += len(data)
            rows += len(chunk)
            if len(index) == per_shard:
                _finish(stream, index, per_shard)
                stream = None
        if stream is not None:
            _finish(stream, index, per_shard)
    finally:
        if stream is not None:
            stream.close()
    return rows


def _finish(stream: BinaryIO, index: list[bytes], per_shard: int) -> None:
    """Write the shard's index with its own checksum, and put the file safely on the disk."""
    table = b"".join(index + [ABSENT] * (per_shard - len(index)))
    stream.write(table + crc32c(table))
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()
