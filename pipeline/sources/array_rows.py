"""An array in a file, of which only the rows that are asked for are read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Shaped


class ImportedFileError(ValueError):
    """A file of arrays that cannot be used; the message names it and the cure."""


class NoSuchArrayError(ImportedFileError):
    """A file that can be read, but holds no array of the wanted name."""


def unreadable(path: Path, error: Exception) -> ImportedFileError:
    """Say in one line what another library says of a file; each format has errors of its own."""
    if isinstance(error, ImportedFileError):
        return error
    reason = next(iter(str(error).splitlines()), repr(error))
    return ImportedFileError(f"'{path}' cannot be read as {path.suffix.lower()} ({reason})")


@dataclass(frozen=True)
class FileRows:
    """Rows of an array in a file; slices of consecutive rows and ``blocks`` are read when asked.

    The file is opened anew for each of them, so that neither handles nor mapped pages, which count
    as memory in use, pile up over many rows or files.

    Attributes:
        path: The file.
        shape: Of the whole array; empty for a single value.
        dtype: Of the rows as they are read.
        read: Gives rows from a first to before a last one, both within the array.
        stream: Gives all rows in order, so many at once or fewer, where reading rows in the middle
            means to unpack those before.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int, int], Shaped[np.ndarray, "b *d"]]
    stream: Callable[[int], Iterator[Shaped[np.ndarray, "b *d"]]] | None = None
    _known: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Remember which file it was."""
        object.__setattr__(self, "_known", _identity(self.path))

    def __len__(self) -> int:
        """Number of rows."""
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Shaped[np.ndarray, "b *d"]:
        """Consecutive rows.

        Raises:
            ImportedFileError: If the file is damaged there, or is no longer the one it was.
        """
        low, high, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows are read one after the other, got {rows}")
        try:
            return self._checked(self.read(low, max(low, high)))
        except Exception as error:
            raise unreadable(self.path, error) from error

    def blocks(self, rows: int) -> Iterator[Shaped[np.ndarray, "b *d"]]:
        """All rows in order, at most so many at once.

        Raises:
            ImportedFileError: As for consecutive rows.
        """
        if self.stream is None:
            yield from (self[low : low + rows] for low in range(0, len(self), rows))
            return
        try:
            yield from map(self._checked, self.stream(rows))
        except Exception as error:
            raise unreadable(self.path, error) from error

    def head(self, rows: int) -> "FileRows":
        """The first rows, in memory."""
        return in_memory(self.path, self[:rows])

    def _checked(self, block: np.ndarray) -> np.ndarray:
        """Refuse rows of a file that was written anew since it was opened: they may be mixed."""
        if _identity(self.path) != self._known:
            raise ImportedFileError(
                f"'{self.path}' changed while it was read; run the same command again"
            )
        return block


def in_memory(path: Path, array: np.ndarray) -> FileRows:
    """Rows of an array that is in memory already."""
    return FileRows(path, array.shape, array.dtype, lambda low, high: array[low:high])


def _identity(path: Path) -> tuple[int, ...]:
    """What changes with the content of a file."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
