"""Rows that need not be in memory: read from a store, or computed, when a pass asks for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from pipeline.geometry import unit_norm

_ROWS = 8192  # taken at a time
_HELD = 1 << 30  # bytes of rows that are kept rather than computed or read again


@runtime_checkable
class Rows(Protocol):
    """What a pass needs: a NumPy array [n d], or what gives slices of consecutive rows as one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, width."""
        ...

    @property
    def dtype(self) -> Any:
        """Of the slices."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def __getitem__(self, part: slice, /) -> Any:
        """Consecutive rows as an array."""
        ...


@dataclass(frozen=True)
class ChangedRows:
    """Rows computed from others whenever they are asked for.

    Attributes:
        source: The rows they are computed from.
        change: Takes consecutive rows, and the number of their first for messages.
        width: Of the rows computed.
    """

    source: Rows
    change: Callable[[np.ndarray, int], Float[np.ndarray, "b e"]]
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, width."""
        return len(self.source), self.width

    @property
    def dtype(self) -> np.dtype:
        """Of the source, which holds the rows computed."""
        return self.source.dtype

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.source)

    def __getitem__(self, part: slice) -> Float[np.ndarray, "b e"]:
        """Compute consecutive rows."""
        return self.change(self.source[part], part.indices(len(self))[0])


def unit_rows(features: Float[Rows, "n d"]) -> ChangedRows:
    """The rows scaled to norm 1, when they are asked for."""
    return ChangedRows(
        features, lambda block, start: unit_norm(block, start=start), features.shape[1]
    )


def take_rows(rows: Float[Rows, "n d"], chosen: Int[np.ndarray, " s"]) -> Float[np.ndarray, "s d"]:
    """The chosen rows, which ascend, read block by block."""
    taken = [rows[:0]]
    for start in range(0, len(rows), _ROWS):
        left, right = np.searchsorted(chosen, (start, start + _ROWS))
        if left < right:
            taken.append(rows[start : start + _ROWS][chosen[left:right] - start])
    return np.concatenate(taken)


def held(rows: Float[Rows, "n d"]) -> Float[Rows, "n d"]:
    """The rows as one array if that takes up to 1 GiB, so that several passes read them once."""
    n, d = rows.shape
    if isinstance(rows, np.ndarray) or n * d * rows.dtype.itemsize > _HELD:
        return rows
    array = np.empty((n, d), rows.dtype)
    for start in range(0, n, _ROWS):
        array[start : start + _ROWS] = rows[start : start + _ROWS]
    return array
