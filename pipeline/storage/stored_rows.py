"""The features of a store as an array that is read shard by shard, in order, again and again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from pipeline.storage.store import StoreError, iter_shards, open_store


class StoredRows:
    """Rows [n d] of a store; slices of consecutive rows are float32 arrays.

    It holds one shard. Passes go from the first row to the last: a step back opens the store again,
    which must be the one it was, and checks every shard again. For one thread.
    """

    def __init__(self, path: Path) -> None:
        """Open the store; no row is read.

        Raises:
            StoreError: If the store is missing, damaged, or holds no features.
        """
        self._manifest, group = open_store(path)
        attributes = dict(group.attrs)
        if not {"rows", "width"} <= set(attributes):
            raise StoreError(f"{path} is no feature store: it does not say its rows and width")
        self._path = path
        self.shape: tuple[int, int] = (attributes["rows"], attributes["width"])
        self.dtype = np.dtype(np.float32)
        self._shards: Iterator[tuple[int, np.ndarray]] = iter(())
        self._start, self._shard = 0, np.empty((0, self.shape[1]), self.dtype)

    def __len__(self) -> int:
        """Number of rows."""
        return self.shape[0]

    def __getitem__(self, part: slice) -> Float32[np.ndarray, "b d"]:
        """Read consecutive rows.

        Raises:
            ValueError: If the slice has a step.
            StoreError: If a shard is damaged, or the store was replaced.
        """
        start, stop, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"rows of a store are read one after the other, got the step {step}")
        pieces = []
        while start < stop:
            self._seek(start)
            piece = self._shard[start - self._start : stop - self._start]
            pieces.append(piece)
            start += len(piece)
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate([np.empty((0, self.shape[1]), self.dtype), *pieces])

    def _seek(self, row: int) -> None:
        """Hold the shard of a row."""
        if row < self._start:
            self._shards = iter(())
            self._start, self._shard = 0, self._shard[:0]
        if self._start == len(self._shard) == 0:
            self._shards = iter_shards(self._path, same_as=self._manifest)
        while row >= self._start + len(self._shard):
            self._start, self._shard = next(self._shards)
