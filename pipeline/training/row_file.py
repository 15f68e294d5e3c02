"""Rows of one shape in a scratch file, written anywhere, read in order."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped


@dataclass(frozen=True)
class RowFile:
    """A plain file, not mapped: pages of a mapped one would count as memory of this process.

    Attributes:
        path: Where it is; whoever made it removes it.
        rows: Number of rows n.
        shape: Of one row: () for a class, (d,) for features.
        dtype: Of its values.
    """

    path: Path
    rows: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def row_bytes(self) -> int:
        """Return the size of one row."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def put(self, places: Int64[np.ndarray, " b"], values: Shaped[np.ndarray, "b ..."]) -> None:
        """Write each row at its place; a file that is not there is made.

        Raises:
            OSError: If the disk is full; it names the file.
        """
        whole = np.ascontiguousarray(values, dtype=self.dtype)
        content = whole.reshape(-1).view(np.uint8).data
        size = self.row_bytes
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        try:
            for number, place in enumerate(places.tolist()):
                row, at = content[number * size : (number + 1) * size], place * size
                while row:  # a disk that is nearly full takes a part first, then tells
                    written = os.pwrite(file, row, at)
                    row, at = row[written:], at + written
        except OSError as error:
            error.filename = error.filename or str(self.path)
            raise
        finally:
            os.close(file)

    def read(self, start: int, out: Shaped[np.ndarray, "b ..."]) -> None:
        """Fill `out` with the rows from `start` on.

        Raises:
            OSError: If the file ends before.
        """
        wanted = out.reshape(-1).view(np.uint8).data
        with self.path.open("rb", buffering=0) as file:
            file.seek(start * self.row_bytes)
            while wanted:
                if not (count := file.readinto(wanted)):
                    raise OSError(f"the scratch file {self.path} ends before row {self.rows}")
                wanted = wanted[count:]
