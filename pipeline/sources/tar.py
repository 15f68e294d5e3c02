"""Tar archives read in place: of class folders, or WebDataset shards of key.jpg and key.cls."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.language.text_file import decode_text
from pipeline.sources.ground_truth import told_classes
from pipeline.sources.handles import shared
from pipeline.sources.ignored import IgnoredNames
from pipeline.sources.listing import (
    INDEX_AGAIN,
    Entry,
    below,
    check_no_archives,
    class_of,
    numbered_classes,
)
from pipeline.sources.patterns import expand
from pipeline.sources.spec import SourceError, TarSet
from pipeline.sources.tar_archive import TarArchive
from pipeline.sources.webdataset import plain_or_all, samples, several


@dataclass
class TarSource:
    """Members of one or several tar archives; of several, paths are ``shard.tar::member``."""

    archives: list[Path]
    subfolder: str
    class_depth: int
    ignore: tuple[str, ...]
    labels: Path | None = None
    left_out: Counter[str] = field(default_factory=Counter, compare=False, repr=False)
    _classes: list[str] | None = None
    _numbered: bool = False  # classes come from a labels file, .cls or .json, not from folders

    @classmethod
    def open(cls, spec: TarSet) -> "TarSource":
        """Find the archives."""
        labels = Path(spec.labels) if spec.labels else None
        return cls(expand(spec.path), spec.subfolder, spec.class_depth, tuple(spec.ignore), labels)

    def entries(self) -> list[Entry]:
        """All images of all shards, sorted by shard and path."""
        ignored = IgnoredNames(self.ignore)
        entries: list[Entry] = []
        for archive in self.archives:
            members = list(shared(archive, TarArchive).members())
            container = f"the archive '{archive}'"
            held = below(members, self.subfolder, container=container)
            names = [name for name in held if not ignored.member(name)]
            check_no_archives(names, container=container)
            prefix = f"{archive.name}::" if len(self.archives) > 1 else ""
            for image, companions in samples(names, container=container):
                entries.append(Entry(prefix + image, self._class(archive, companions, image)))
        self.left_out = ignored.counts
        if self.labels is not None:
            entries = told_classes(sorted(entry.path for entry in entries), self.labels)
            self._numbered = True
        if self._numbered:
            self._classes = numbered_classes(entry.class_key for entry in entries)
        return sorted(entries)

    def _class(self, archive: Path, companions: Mapping[str, Sequence[str]], name: str) -> str:
        """The class of an image: a companion's, or the folder's."""
        if self.labels is not None:
            return ""
        told = [self._number(archive, name) for name in plain_or_all(companions.get("cls", ()))]
        if not told:
            records = plain_or_all(companions.get("json", ()))
            told = [found for name in records for found in self._recorded(archive, name)]
        if len(told) > 1:
            names = [name for name, _ in told]
            raise several("labels", names, container=f"the archive '{archive}'")
        if told:
            self._numbered = True
            return told[0][1]
        return class_of(name, depth=self.class_depth)

    def _number(self, archive: Path, name: str) -> tuple[str, str]:
        label = self._bytes(archive, name)
        try:
            return name, decode_text(label, told_by=f"{archive}::{name}").strip()
        except ValueError as error:
            raise SourceError(f"a label cannot be read: {error}") from error

    def _recorded(self, archive: Path, name: str) -> list[tuple[str, str]]:
        """The label in a JSON record, if it holds one."""
        try:
            record = json.loads(self._bytes(archive, name))
        except ValueError as error:
            what = f"'{name}' in the archive '{archive}'"
            raise SourceError(f"{what} must be JSON ({error})") from error
        known = record if isinstance(record, dict) else {}
        keys = [key for key in ("label", "cls", "class") if key in known]
        return [(name, self._told(known[key], key, name, archive)) for key in keys[:1]]

    def _told(self, value: object, key: str, name: str, archive: Path) -> str:
        if value is None:
            return ""
        if not isinstance(value, int | str) or isinstance(value, bool):
            raise SourceError(
                f"'{key}' of '{name}' in the archive '{archive}' must be a whole number or text, "
                f"got {value!r}"
            )
        return str(value)

    def class_order(self) -> list[str] | None:
        """The labels' own numbering, known after `entries`."""
        return self._classes

    def read(self, path: str) -> bytes:
        """The bytes of one member."""
        if len(self.archives) == 1:
            return self._bytes(self.archives[0], path)
        for archive in self.archives:
            if path.startswith(f"{archive.name}::"):
                return self._bytes(archive, path.removeprefix(f"{archive.name}::"))
        shard = path.partition("::")[0]
        raise SourceError(
            f"the index names the shard '{shard}', which is no longer there; {INDEX_AGAIN}"
        )

    def _bytes(self, archive: Path, name: str) -> bytes:
        full = f"{self.subfolder.strip('/')}/{name}" if self.subfolder else name
        return shared(archive, TarArchive).read(full)
