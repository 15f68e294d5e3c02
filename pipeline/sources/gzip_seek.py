"""Random access into a gzip file without unpacking it: the decompressor's state, kept at points."""

import io
import threading
import zlib
from pathlib import Path
from typing import Any

BLOCK = 64 << 10  # compressed bytes fed at once
POINTS = 512  # kept states; 50 kB each


class GzipReader(io.RawIOBase):
    """A readable, seekable view of a gzip file's content.

    Going forward decompresses; going back restarts at the nearest point passed before, so that
    reading members of a compressed archive in any order costs a fraction of the file each.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; points are made while reading."""
        self._file = path.open("rb")
        self._lock = threading.Lock()
        self._spacing = max(1 << 20, path.stat().st_size // POINTS)
        self._decoder: Any = zlib.decompressobj(wbits=31)
        self._position = 0  # in the content: where _ahead begins
        self._ahead = b""
        # (content position, file position, decoder) of each point, in order
        self._points: list[tuple[int, int, Any]] = [(0, 0, self._decoder.copy())]

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes, that is the point of it."""
        return True

    def tell(self) -> int:
        """Position in the content."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position in the content; the end is not known before it is read."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the length of a gzip file's content is unknown")
        target = offset + (self._position if whence == io.SEEK_CUR else 0)
        point = max((p for p in self._points if p[0] <= target), key=lambda p: p[0])
        if target < self._position or point[0] > self._position + len(self._ahead):
            self._position, place, decoder = point
            self._file.seek(place)
            self._decoder, self._ahead = decoder.copy(), b""
        while self._position < target and self._fill():
            step = min(target - self._position, len(self._ahead))
            self._ahead = self._ahead[step:]
            self._position += step
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes from here."""
        pieces = []
        while size != 0 and self._fill():
            piece = self._ahead if size < 0 else self._ahead[:size]
            self._ahead = self._ahead[len(piece) :]
            self._position += len(piece)
            size -= len(piece) if size > 0 else 0
            pieces.append(piece)
        return b"".join(pieces)

    def pread(self, size: int, offset: int) -> bytes:
        """Bytes at a place; threads take turns."""
        with self._lock:
            self.seek(offset)
            return self.read(size)

    def _fill(self) -> bool:
        """Make sure something lies ahead; False at the end.

        Raises:
            EOFError: If the file ends inside its compressed stream.
        """
        while not self._ahead:
            if self._decoder.eof:
                rest = self._decoder.unused_data.lstrip(b"\0")
                while not rest:  # padding, or the next of several members, or the end
                    block = self._file.read(BLOCK)
                    if not block:
                        return False
                    rest = block.lstrip(b"\0")
                self._decoder = zlib.decompressobj(wbits=31)
                self._ahead = self._decoder.decompress(rest)
                continue
            place = self._file.tell()
            if place - self._points[-1][1] >= self._spacing:
                self._points.append((self._position, place, self._decoder.copy()))
            data = self._file.read(BLOCK)
            if not data:
                raise EOFError("the compressed file ends too early; it is truncated")
            self._ahead = self._decoder.decompress(data)
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
