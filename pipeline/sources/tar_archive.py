"""One tar archive, plain or gzipped: a table of its members, and reads at any of them."""

import io
import os
import posixpath
import tarfile
import threading
import zlib
from pathlib import Path
from typing import NamedTuple

from pipeline.sources.gzip_seek import GzipReader
from pipeline.sources.listing import INDEX_AGAIN, check_member
from pipeline.sources.spec import SourceError

# How bzip2, xz, zstd, lz4, compress and lzip begin, which allow no reading at any place.
PACKED = (b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x1f\x9d", b"LZIP")


class Member(NamedTuple):
    """Where a file's bytes lie inside the archive's (decompressed) content."""

    offset: int
    size: int


class FileReader(io.FileIO):
    """A plain file that several threads can read at places of their own."""

    def pread(self, size: int, offset: int) -> bytes:
        """Bytes at a place, whatever the current position."""
        return os.pread(self.fileno(), size, offset)

    def __del__(self) -> None:
        """Close with its archive."""
        self.close()


class TarArchive:
    """An open archive; its headers are read once, when a member is first asked for."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            SourceError: If it is compressed by something else than gzip.
        """
        self.path = path
        with path.open("rb") as file:
            magic = file.read(6)
        if magic.startswith(PACKED):
            raise SourceError(
                f"'{path}' must be a .tar or .tar.gz; it is compressed in another way (bzip2, xz, "
                "zstd, lz4, ...). Decompress it to a .tar, or unpack it and use the folder"
            )
        self._file = GzipReader(path) if magic[:2] == b"\x1f\x8b" else FileReader(path)
        self._lock = threading.Lock()
        self._members: dict[str, Member] | None = None

    def members(self) -> dict[str, Member]:
        """Place and size of each file by its path.

        Raises:
            SourceError: If the archive is damaged or incomplete, holds a path twice or one that
                climbs out or is no UTF-8, or a file with its zeros left out.
        """
        with self._lock:
            if self._members is None:
                try:
                    self._members = self._scan()
                except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
                    raise SourceError(
                        f"'{self.path}' is no readable tar archive ({error}); get it again"
                    ) from error
            return self._members

    def _scan(self) -> dict[str, Member]:
        members: dict[str, Member] = {}
        links: dict[str, str] = {}
        container = f"the archive '{self.path}'"
        self._file.seek(0)
        with tarfile.open(fileobj=self._file, mode="r:") as headers:
            for header in headers:
                headers.members = []  # type: ignore[attr-defined]  # they would pile up
                if not (header.isfile() or header.islnk() or header.issym()):
                    continue
                name = check_member(header.name, container=container)
                if header.issparse():
                    raise SourceError(
                        f"{container} holds '{name}' as a sparse file, whose bytes do not "
                        "stand in one piece; unpack it and pack it again by tar without --sparse"
                    )
                if name in members or name in links:
                    raise SourceError(f"{container} holds '{name}' more than once")
                if header.isfile():
                    members[name] = Member(header.offset_data, header.size)
                else:
                    above = posixpath.dirname(name) if header.issym() else ""
                    links[name] = posixpath.normpath(posixpath.join(above, header.linkname))
            self._check_end(headers.offset)
        for name, target in links.items():
            passed = {name}
            while target in links and target not in passed:  # a link to a link, but no circle
                passed.add(target)
                target = links[target]
            if target not in members:
                raise SourceError(
                    f"{container} holds the link '{name}' to '{target}', which is no file in it"
                )
            members[name] = members[target]
        return members

    def _check_end(self, end: int) -> None:
        """Tell the end of the archive from a damaged header, which tarfile takes for the end.

        Reading on to the last byte makes gzip compare its checksum and length too.

        Args:
            end: Where the scan found no further header.

        Raises:
            SourceError: If no block of zeros stands there, or anything but zeros follows. A lone
                zero block will do, though the format asks for two: not every tool writes both.
        """
        self._file.seek(end)
        marker = self._file.read(tarfile.BLOCKSIZE)
        if marker.strip(b"\0"):
            raise self._damaged(end, "there is neither the header of a file nor the end marker")
        if len(marker) < tarfile.BLOCKSIZE:
            raise self._damaged(end, "it stops without an end marker, as if it were cut off")
        place = end + len(marker)
        while ahead := self._file.read(1 << 16):
            if rest := ahead.lstrip(b"\0"):
                place += len(ahead) - len(rest)
                raise self._damaged(
                    end,
                    f"the end marker stands there, yet more follows at offset {place}; if two "
                    "archives were joined, pack them as one",
                )
            place += len(ahead)

    def _damaged(self, offset: int, reason: str) -> SourceError:
        inside = "of the unpacked content " if isinstance(self._file, GzipReader) else ""
        return SourceError(
            f"'{self.path}' is damaged: at offset {offset} {inside}{reason}. Files may be missing "
            "from there on; get the archive again"
        )

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            SourceError: If there is no such file, or the archive ends inside it.
        """
        member = self.members().get(name)
        if member is None:
            raise SourceError(f"the archive '{self.path}' holds no '{name}'; {INDEX_AGAIN}")
        data = self._file.pread(member.size, member.offset)
        if len(data) < member.size:
            raise SourceError(f"the archive '{self.path}' is truncated inside '{name}'")
        return data
