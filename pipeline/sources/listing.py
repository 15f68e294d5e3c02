"""What every source lists: paths with their classes; and which names are no images at all."""

import fnmatch
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from pipeline.sources.spec import SourceError

# Left out wherever they lie: what systems and publishers drop beside images. Any other file
# counts as an image, whatever its suffix, and is reported when it cannot be decoded.
IGNORED = (".*", "thumbs.db", "desktop.ini", "__macosx", "readme*", "license*", "licence*")


class Entry(NamedTuple):
    """One image: its path relative to the data set, and its class ("" where it has none)."""

    path: str
    class_key: str


@runtime_checkable
class Source(Protocol):
    """A place with images. Picklable: worker processes open their own handles."""

    def entries(self) -> list[Entry]:
        """All images, sorted by path."""
        ...

    def class_order(self) -> list[str] | None:
        """Class keys in label order where the source numbers them itself, else None."""
        ...

    def read(self, path: str) -> bytes:
        """The content of one image file, whatever order they are asked for in."""
        ...


def ignored_names(patterns: Sequence[str]) -> re.Pattern[str]:
    """Compile the patterns of names to leave out; letter case does not matter."""
    every = [*IGNORED, *(pattern.lower() for pattern in patterns)]
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in every), re.IGNORECASE)


def class_of(path: str, *, depth: int) -> str:
    """The first directories of a path, "" for a file that lies above them."""
    directories = path.split("/")[:-1]
    return "/".join(directories[:depth]) if len(directories) >= depth else ""


def check_member(path: str, *, container: str) -> str:
    """Refuse a path that is absolute or climbs out of its container."""
    if path.startswith(("/", "\\")) or ".." in path.replace("\\", "/").split("/"):
        raise SourceError(
            f"{container} holds the path '{path}', which climbs out of its folder; "
            "such a file is not trusted: remove the entry or get a clean copy"
        )
    return path


def below(paths: Sequence[str], subfolder: str, *, container: str) -> list[str]:
    """Keep the paths below a subfolder, relative to it."""
    if not subfolder:
        return list(paths)
    prefix = subfolder.strip("/") + "/"
    kept = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
    if not kept:
        raise SourceError(f"{container} has no file below the subfolder '{subfolder}'")
    return kept


def numbered_classes(keys: Iterable[str]) -> list[str] | None:
    """Classes in numeric order, 0 to the largest, where every key is a number; else None.

    Numbers come from lists and tables, where they are the labels themselves; directories keep
    their string order.
    """
    present = set(keys) - {"", "-1"}
    if not present or not all(key.isdecimal() and key == str(int(key)) for key in present):
        return None
    return [str(number) for number in range(max(map(int, present)) + 1)]


def expand(pattern: str) -> list[Path]:
    """Files of a brace or wildcard pattern, in order: ``train-{0000..0012}.tar``, ``*.tar``.

    Raises:
        SourceError: If a file of the brace range is missing, or nothing matches.
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
    path = Path(pattern)
    files = sorted(path.parent.glob(path.name)) if any(c in path.name for c in "*?[") else [path]
    if not files:
        raise SourceError(f"no file matches '{pattern}'")
    return files
