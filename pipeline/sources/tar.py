"""Tar archives read in place: of class folders, or WebDataset shards of key.jpg and key.cls."""

import glob
import io
import json
import os
import re
import tarfile
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.sources.gzip_seek import GzipReader
from pipeline.sources.listing import (
    Entry,
    below,
    check_member,
    class_of,
    ignored_names,
    numbered_classes,
)
from pipeline.sources.spec import SourceError, TarSet

# What stands beside an image under the same key in a WebDataset shard.
COMPANIONS = {"cls", "json", "txt", "caption", "index", "id", "url"}


class FileReader(io.FileIO):
    """A plain file that several threads can read at places of their own."""

    def pread(self, size: int, offset: int) -> bytes:
        """Bytes at a place, whatever the current position."""
        return os.pread(self.fileno(), size, offset)

    def __del__(self) -> None:
        """Close with its source."""
        self.close()


class Member(NamedTuple):
    """Where a file's bytes lie inside an archive's (decompressed) content."""

    offset: int
    size: int


def expand(pattern: str) -> list[Path]:
    """Shards of a brace or wildcard pattern, in order: ``train-{0000..0012}.tar``, ``*.tar``.

    Raises:
        SourceError: If a shard of the brace range is missing, or nothing matches.
    """
    if braces := re.search(r"\{(\d+)\.\.(\d+)\}", pattern):
        first, last = braces.groups()
        names = [
            pattern.replace(braces.group(), str(number).zfill(len(first)))
            for number in range(int(first), int(last) + 1)
        ]
        if missing := [name for name in names if not Path(name).exists()]:
            raise SourceError(
                f"{len(missing)} of {len(names)} shards of '{pattern}' are missing, the first is "
                f"'{missing[0]}'"
            )
        return [Path(name) for name in names]
    names = sorted(glob.glob(pattern)) if any(c in pattern for c in "*?[") else [pattern]  # noqa: PTH207
    if not names:
        raise SourceError(f"no archive matches '{pattern}'")
    return [Path(name) for name in names]


@dataclass
class TarSource:
    """Members of one or several tar archives; of several, paths are ``shard.tar::member``."""

    archives: list[Path]
    subfolder: str
    class_depth: int
    ignore: tuple[str, ...]
    _classes: list[str] | None = None
    _numbered: bool = False  # classes come from .cls or .json, not from folders
    _members: dict[str, dict[str, Member]] = field(default_factory=dict, repr=False)
    _opened: dict[tuple[int, str], FileReader | GzipReader] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    def open(cls, spec: TarSet) -> "TarSource":
        """Find the archives."""
        return cls(expand(spec.path), spec.subfolder, spec.class_depth, tuple(spec.ignore))

    def __getstate__(self) -> dict[str, Any]:
        """Keep the table of members, leave the open handles behind."""
        return {**self.__dict__, "_opened": {}}

    def entries(self) -> list[Entry]:
        """All images of all shards, sorted by shard and path."""
        ignored = ignored_names(self.ignore)
        entries: list[Entry] = []
        for archive in self.archives:
            names = [
                name
                for name in self._table(archive)
                if not any(map(ignored.match, name.split("/")))
            ]
            if self.subfolder:
                names = below(names, self.subfolder, container=f"the archive '{archive}'")
            prefix = f"{archive.name}::" if len(self.archives) > 1 else ""
            entries += [Entry(prefix + name, key) for name, key in self._classified(archive, names)]
        if self._numbered:
            self._classes = numbered_classes(entry.class_key for entry in entries)
        return sorted(entries)

    def _classified(self, archive: Path, names: list[str]) -> list[tuple[str, str]]:
        """Pair image members with their class: a companion's under the same key, or the folder."""
        companions: dict[str, dict[str, str]] = defaultdict(dict)
        images = []
        for name in names:
            folder, _, file = name.rpartition("/")
            stem, _, extension = file.partition(".")
            if extension.lower() in COMPANIONS:
                companions[f"{folder}/{stem}"][extension.lower()] = name
            else:
                images.append((name, f"{folder}/{stem}"))
        return [(name, self._class(archive, companions.get(key, {}), name)) for name, key in images]

    def _class(self, archive: Path, companions: dict[str, str], name: str) -> str:
        if "cls" in companions:
            self._numbered = True
            return self._bytes(archive, companions["cls"]).decode().strip()
        if "json" in companions:
            record = json.loads(self._bytes(archive, companions["json"]))
            for key in ("label", "cls", "class"):
                if isinstance(record, dict) and key in record:
                    self._numbered = True
                    return str(record[key])
        return class_of(name, depth=self.class_depth)

    def class_order(self) -> list[str] | None:
        """The labels' own numbering, known after `entries`."""
        return self._classes

    def read(self, path: str) -> bytes:
        """The bytes of one member."""
        shard, _, name = path.rpartition("::")
        archive = self.archives[0]
        if shard:
            archive = next((a for a in self.archives if a.name == shard), Path(shard))
        return self._bytes(archive, name)

    def _bytes(self, archive: Path, name: str) -> bytes:
        full = f"{self.subfolder.strip('/')}/{name}" if self.subfolder else name
        table = self._table(archive)
        if full not in table:
            full = name
        if full not in table:
            raise SourceError(f"the archive '{archive}' holds no '{name}'")
        data = self._handle(archive).pread(table[full].size, table[full].offset)
        if len(data) < table[full].size:
            raise SourceError(f"the archive '{archive}' is truncated inside '{name}'")
        return data

    def _handle(self, archive: Path) -> FileReader | GzipReader:
        """The archive's content, opened once a process."""
        key = os.getpid(), str(archive)
        if key not in self._opened:
            with archive.open("rb") as file:
                magic = file.read(6)
            if magic[:3] == b"BZh" or magic == b"\xfd7zXZ\0":
                raise SourceError(
                    f"'{archive}' is compressed in a way that allows no random access; pack it "
                    "again as .tar or .tar.gz, or unpack it and use the folder"
                )
            gzipped = magic[:2] == b"\x1f\x8b"
            self._opened[key] = GzipReader(archive) if gzipped else FileReader(archive)
        return self._opened[key]

    def _table(self, archive: Path) -> dict[str, Member]:
        """Place and size of each member; reads the headers once."""
        if str(archive) in self._members:
            return self._members[str(archive)]
        members: dict[str, Member] = {}
        try:
            file = self._handle(archive)
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as headers:
                for member in headers:
                    if not member.isfile():
                        continue
                    name = check_member(
                        member.name.removeprefix("./"), container=f"the archive '{archive}'"
                    )
                    if name in members:
                        raise SourceError(f"the archive '{archive}' holds '{name}' more than once")
                    members[name] = Member(member.offset_data, member.size)
                    headers.members = []  # or they pile up in memory
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise SourceError(
                f"'{archive}' is no readable tar archive ({error}); get it again"
            ) from error
        return self._members.setdefault(str(archive), members)
