"""A zip archive of a folder tree, read in place."""

import contextlib
import itertools
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipeline.sources.ground_truth import classified
from pipeline.sources.handles import shared
from pipeline.sources.ignored import IgnoredNames
from pipeline.sources.listing import INDEX_AGAIN, Entry, below, check_member, check_no_archives
from pipeline.sources.spec import SourceError, ZipSet


class ZipArchive(zipfile.ZipFile):
    """An open archive that also knows its files by the paths that a listing gives them."""

    @cached_property
    def by_path(self) -> dict[str, zipfile.ZipInfo]:
        """Each file by its path without ``.`` and doubled slashes."""
        names = with_slashes(self.namelist())
        return {
            check_member(name, container=f"the archive '{self.filename}'"): member
            for name, member in zip(names, self.infolist(), strict=True)
            if not name.endswith("/")
        }


@dataclass
class ZipSource:
    """Members of one zip archive, in sorted order; the first directory is the class."""

    archive: Path
    subfolder: str
    class_depth: int
    ignore: tuple[str, ...]
    labels: Path | None = None
    left_out: Counter[str] = field(default_factory=Counter, compare=False, repr=False)
    _classes: list[str] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def open(cls, spec: ZipSet) -> "ZipSource":
        """Name the archive; it is opened when first read."""
        labels = Path(spec.labels) if spec.labels else None
        return cls(Path(spec.path), spec.subfolder, spec.class_depth, tuple(spec.ignore), labels)

    def _opened(self) -> ZipArchive:
        try:
            return shared(self.archive, ZipArchive)
        except (zipfile.BadZipFile, OSError) as error:
            raise SourceError(
                f"'{self.archive}' is no readable zip archive ({error}); get it again"
            ) from error

    def entries(self) -> list[Entry]:
        """All files of the archive, sorted by path."""
        ignored = IgnoredNames(self.ignore)
        container = f"the archive '{self.archive}'"
        members = with_slashes(self._opened().namelist())
        names = [check_member(n, container=container) for n in members if not n.endswith("/")]
        held = below(names, self.subfolder, container=container)
        paths = sorted(path for path in held if not ignored.member(path))
        self.left_out = ignored.counts
        check_no_archives(paths, container=container)
        if len(set(paths)) < len(paths):
            twice = next(path for path, after in itertools.pairwise(paths) if path == after)
            raise SourceError(f"{container} holds '{twice}' more than once; get a clean copy")
        if secret := [path for path in paths if self._member(path).flag_bits & 1]:
            raise SourceError(
                f"{container} is encrypted: {len(secret)} of {len(paths)} files, the first is "
                f"'{secret[0]}'. Unpack it with its password and give the folder as path"
            )
        entries, self._classes = classified(paths, labels=self.labels, depth=self.class_depth)
        return entries

    def class_order(self) -> list[str] | None:
        """The order of numbers in a labels file, known after `entries`; folders have none."""
        return self._classes

    def read(self, path: str) -> bytes:
        """The bytes of one member, its checksum verified by the format.

        Raises:
            SourceError: If it is missing, damaged or encrypted.
        """
        member = self._member(path)
        try:
            return self._opened().read(member)
        except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
            what = f"'{member.filename}' in the archive '{self.archive}'"
            raise SourceError(f"{what}: {error}") from error

    def _member(self, path: str) -> zipfile.ZipInfo:
        name = f"{self.subfolder.strip('/')}/{path}" if self.subfolder else path
        with contextlib.suppress(KeyError):
            return self._opened().getinfo(name)  # as most are written, without a second table
        member = self._opened().by_path.get(name)
        if member is None:
            raise SourceError(f"the archive '{self.archive}' holds no '{name}'; {INDEX_AGAIN}")
        return member


def with_slashes(names: Sequence[str]) -> list[str]:
    """Names with '/' between folders, where the archive has a backslash there in all of them.

    Older Windows tools write so, against the format. Beside a slash it is part of a name.
    """
    if any("/" in name for name in names):
        return list(names)
    return [name.replace("\\", "/") for name in names]
