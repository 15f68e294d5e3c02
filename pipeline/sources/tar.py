"""Tar archives read in place: of class folders, or WebDataset shards of key.jpg and key.cls."""

import json
from collections import Counter, defaultdict
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

# What stands beside an image under the same key in a WebDataset shard.
COMPANIONS = {"cls", "json", "txt", "caption", "index", "id", "url"}


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
            entries += [Entry(prefix + name, key) for name, key in self._classified(archive, names)]
        self.left_out = ignored.counts
        if self.labels is not None:
            entries = told_classes(sorted(entry.path for entry in entries), self.labels)
            self._numbered = True
        if self._numbered:
            self._classes = numbered_classes(entry.class_key for entry in entries)
        return sorted(entries)

    def _classified(self, archive: Path, names: list[str]) -> list[tuple[str, str]]:
        """Pair images with their class: a companion's under the same key, or the folder.

        A companion of no image counts as an image itself, and will be reported as a bad one.
        """
        companions: dict[str, dict[str, str]] = defaultdict(dict)
        images: list[tuple[str, str]] = []
        for name in names:
            folder, _, file = name.rpartition("/")
            stem, _, extension = file.partition(".")
            if extension.lower() in COMPANIONS:
                companions[f"{folder}/{stem}"][extension.lower()] = name
            else:
                images.append((name, f"{folder}/{stem}"))
        known = {key for _, key in images}
        alone = [n for key, held in companions.items() if key not in known for n in held.values()]
        images += [(name, "") for name in alone]
        return [(name, self._class(archive, companions.get(key, {}), name)) for name, key in images]

    def _class(self, archive: Path, companions: dict[str, str], name: str) -> str:
        if self.labels is not None:
            return ""
        if "cls" in companions:
            self._numbered = True
            label = self._bytes(archive, companions["cls"])
            try:
                return decode_text(label, told_by=f"{archive}::{companions['cls']}").strip()
            except ValueError as error:
                raise SourceError(f"a label cannot be read: {error}") from error
        if "json" in companions:
            text = self._bytes(archive, companions["json"])
            try:
                record = json.loads(text)
            except ValueError as error:
                what = f"'{companions['json']}' in the archive '{archive}'"
                raise SourceError(f"{what} must be JSON ({error})") from error
            for key in ("label", "cls", "class"):
                if isinstance(record, dict) and key in record:
                    self._numbered = True
                    return self._told(record[key], key, companions["json"], archive)
        return class_of(name, depth=self.class_depth)

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
