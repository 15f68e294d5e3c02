"""A zip archive of a folder tree, read in place."""

import itertools
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.sources.listing import Entry, below, check_member, class_of, ignored_names
from pipeline.sources.spec import SourceError, ZipSet


@dataclass
class ZipSource:
    """Members of one zip archive, in sorted order; the first directory is the class."""

    archive: Path
    subfolder: str
    class_depth: int
    ignore: tuple[str, ...]
    _opened: dict[int, zipfile.ZipFile] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, spec: ZipSet) -> "ZipSource":
        """Check that the archive can be read."""
        source = cls(Path(spec.path), spec.subfolder, spec.class_depth, tuple(spec.ignore))
        source._handle()
        return source

    def _handle(self) -> zipfile.ZipFile:
        """The archive, opened once a process: a forked child must not share a file position."""
        if os.getpid() not in self._opened:
            try:
                self._opened[os.getpid()] = zipfile.ZipFile(self.archive)
            except (zipfile.BadZipFile, OSError) as error:
                raise SourceError(
                    f"'{self.archive}' is no readable zip archive ({error}); get it again"
                ) from error
        return self._opened[os.getpid()]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open handle behind."""
        return {**self.__dict__, "_opened": {}}

    def entries(self) -> list[Entry]:
        """All files of the archive, sorted by path."""
        ignored = ignored_names(self.ignore)
        container = f"the archive '{self.archive}'"
        members = [name for name in self._handle().namelist() if not name.endswith("/")]
        names = [
            name
            for name in members
            if check_member(name, container=container)
            and not any(map(ignored.match, name.split("/")))
        ]
        paths = sorted(below(names, self.subfolder, container=container))
        if len(set(paths)) < len(paths):
            twice = next(path for path, after in itertools.pairwise(paths) if path == after)
            raise SourceError(f"{container} holds '{twice}' more than once; get a clean copy")
        return [Entry(path, class_of(path, depth=self.class_depth)) for path in paths]

    def class_order(self) -> None:
        """None: directories have no order of their own."""

    def read(self, path: str) -> bytes:
        """The bytes of one member, its checksum verified by the format."""
        name = f"{self.subfolder.strip('/')}/{path}" if self.subfolder else path
        return self._handle().read(name)
