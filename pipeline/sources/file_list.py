"""A text file of "path label" lines as a source: how OpenOOD and the MOS subsets are given out."""

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.language.text_file import decode_text
from pipeline.name_lists import first_and_more
from pipeline.sources.listing import Entry, Source, check_member, numbered_classes
from pipeline.sources.spec import ListSet, SourceError
from pipeline.sources.unpacked import without_lead


@dataclass
class ListSource:
    """The files that a list names, below a folder or inside an archive."""

    path: Path
    strip: int
    prefix: str
    container: Source
    root: Path
    lead: str = ""  # of the prefix, where the root is the folder that an archive was unpacked to
    _classes: list[str] | None = None

    @classmethod
    def open(cls, spec: ListSet, container: Source) -> "ListSource":
        """Combine the list with the source that reads its files."""
        root = Path(spec.root)
        whole = "/".join(part for part in spec.prefix.split("/") if part not in ("", "."))
        lead = whole.removesuffix(without_lead(root, whole)) if root.is_dir() else ""
        return cls(Path(spec.path), spec.strip, spec.prefix, container, root, lead)

    def entries(self) -> list[Entry]:
        """The listed files, sorted by path; a label of -1 is none."""
        entries = [self._entry(number, line) for number, line in self._lines()]
        seen: dict[str, str] = {}
        for entry in entries:
            if entry.path in seen:
                labels = f" with the labels {seen[entry.path]} and {entry.class_key}"
                raise SourceError(
                    f"'{self.path}' lists '{entry.path}' twice"
                    f"{labels if seen[entry.path] != entry.class_key else ''}; remove one line"
                )
            seen[entry.path] = entry.class_key
        labelled = sum(bool(entry.class_key) for entry in entries)
        if 0 < labelled < len(entries) and not any(
            re.search(r"[ \t]-1$", line) for _, line in self._lines()
        ):
            raise SourceError(
                f"'{self.path}' has a label on {labelled} of {len(entries)} lines only"
            )
        self._check_present(list(seen))
        self._classes = numbered_classes(entry.class_key for entry in entries)
        return sorted(entries)

    def _lines(self) -> list[tuple[int, str]]:
        try:
            data = self.path.read_bytes()
            plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"the file list '{self.path}' cannot be read ({error})") from error
        try:
            text = decode_text(plain, told_by=str(self.path))
        except ValueError as error:
            raise SourceError(f"the file list cannot be read: {error}") from error
        return [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]

    def _entry(self, number: int, line: str) -> Entry:
        labelled = re.fullmatch(r"(.+?)[ \t]+(-?\d+)", line)
        path, last = labelled.groups() if labelled else (line, "-1")
        written = path.strip().split("/")
        parts = [part for n, part in enumerate(written) if part != "." and (part or not n)]
        if len(parts) <= self.strip:
            raise SourceError(
                f"line {number} of '{self.path}' has no {self.strip} directories to strip: {line!r}"
            )
        kept = "/".join([*filter(None, self.prefix.split("/")), *parts[self.strip :]])
        checked = check_member(kept, container=f"line {number} of '{self.path}'")
        return Entry(checked, "" if last == "-1" else last)

    def _check_present(self, paths: list[str]) -> None:
        """Name the listed files that do not exist, before any other is read."""
        if self.root.is_dir():
            missing = [p for p in paths if not (self.root / self._inside(p)).exists()]
        else:
            held = {entry.path for entry in self.container.entries()}
            missing = [path for path in paths if path not in held]
        if missing:
            form = ". A line is a path, a space or tab and a number; a comma is part of the path"
            parted = re.search(r"[,;\t]", missing[0])
            none = len(missing) == len(paths)
            where = "; strip drops leading folders of a listed path, prefix goes before the rest"
            raise SourceError(
                f"{len(missing)} of {len(paths)} files listed in '{self.path}' are not in "
                f"'{self.root}': {first_and_more(missing, shown=20)}"
                f"{form if parted else where if none else ''}"
            )

    def class_order(self) -> list[str] | None:
        """The labels' own numbering, known after `entries`."""
        return self._classes

    def read(self, path: str) -> bytes:
        """The bytes of one file."""
        return self.container.read(self._inside(path))

    def _inside(self, path: str) -> str:
        """Where a listed file lies: below the prefix, or what of it the unpacked folder has."""
        return path.removeprefix(self.lead).removeprefix("/")
