"""Whether what is there looks whole, told by a size or one listing; no file is opened."""

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.fetching.errors import reading
from pipeline.sources.ignored import IgnoredNames
from pipeline.sources.unpacked import without_lead

SHOWN = 3
SHORT = 0.9  # of the stated bytes: below that no statement is rounded so far


@dataclass(frozen=True)
class Need:
    """What a folder has to hold.

    Attributes:
        names: Paths in it.
        classes: How many class folders; None where nobody states it, or they are no classes.
    """

    names: frozenset[str] = frozenset()
    classes: int | None = None

    @classmethod
    def of(cls, entry: Any, classes: int | None) -> "Need":
        """What an entry of ``datasets`` reads in its folder, of so many classes as are stated."""
        values = entry if isinstance(entry, Mapping) else {}
        if values.get("labels") or values.get("class_depth", 1) != 1:
            return cls()
        if isinstance(chosen := values.get("include_classes"), list):
            return cls(frozenset(map(str, chosen)))
        if values.get("classes") is False or values.get("exclude_classes"):
            return cls()
        return cls(classes=classes)


ANYTHING = Need()


def lacking(place: Path, need: Need = ANYTHING, *, size: int | None = None) -> str | None:
    """Say what a file or folder lacks to be whole; None where nothing is seen.

    Args:
        place: The file or folder; it exists.
        need: What a folder has to hold.
        size: Bytes that a file should have, about.

    Raises:
        DownloadError: If it may not be read.
    """
    with reading(place):
        if place.is_dir():
            return _lacking_names(place, need.names) or _lacking_folders(place, need.classes)
        held = place.stat().st_size
    if held == 0:
        return "is empty"
    if size is not None and held < SHORT * size:
        return f"holds {held:,} of {size:,} bytes"
    return None


def unpacked_beside(archive: Path, inside: Sequence[str], holds: str | None = None) -> Path | None:
    """Return the folder that an archive was unpacked to, where it lies beside its place.

    Args:
        archive: Where the archive should be.
        inside: What is read of it, each a path in it: ``dtd/images`` is looked for in ``dtd``, and
            in ``dtd-r1.0.1``, which is how the archive is called.
        holds: The name of the folder, where neither tells.

    Raises:
        DownloadError: If such a folder may not be read.
    """
    stem = re.sub(r"\.(zip|tar|tgz|tar\.gz)$", "", archive.name)
    if stem == archive.name:
        return None
    leads = (path.strip("/").partition("/")[0] for path in inside)
    for folder in (archive.parent / name for name in dict.fromkeys((holds, stem, *leads)) if name):
        with reading(folder):
            if folder.is_dir() and all(_held(folder, path) for path in inside or [""]):
                return folder
    return None


def _held(folder: Path, inside: str) -> bool:
    place = folder / without_lead(folder, inside)
    return place.is_dir() and any(place.iterdir())


def _lacking_names(place: Path, names: frozenset[str]) -> str | None:
    wanted: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folder, _, last = name.rpartition("/")
        wanted[folder].add(last)
    missing = []
    for folder, inside in wanted.items():
        held = {path.name for path in (place / folder).glob("*")}
        missing += [f"{folder}/{name}".lstrip("/") for name in inside - held]
    if not missing:
        return None
    more = ", …" if len(missing) > SHOWN else ""
    shown = ", ".join(sorted(missing)[:SHOWN])
    return f"lacks {len(missing):,} of {len(names):,}: {shown}{more}"


def _lacking_folders(place: Path, classes: int | None) -> str | None:
    most = 2 * (classes or 0) + 1000  # a flat folder may hold millions
    with os.scandir(place) as listing:
        entries = list(itertools.islice(listing, most))
    if not entries:
        return "is an empty folder"
    if classes is None or (folders := _folders(entries)) >= classes:
        return None
    among = f" among {most:,} entries" if len(entries) == most else ""
    return f"holds {folders:,} class folders{among}, {classes:,} are stated"


def _folders(entries: list[os.DirEntry[str]]) -> int:
    """Count folders, and links if the first leads to one: following each would take time."""
    ignored = IgnoredNames([])
    links = [entry for entry in entries if entry.is_symlink()]
    counted = links if links and links[0].is_dir() else []
    counted += [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sum(not ignored.folder(entry.name) for entry in counted)
