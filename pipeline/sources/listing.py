"""What every source lists: paths with their classes, and the files of a pattern."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from pipeline.sources.spec import SourceError

# Class numbers are positions in a list of classes: with few images they may still reach this far.
MOST_CLASSES = 1_000_000


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


def class_of(path: str, *, depth: int) -> str:
    """The first directories of a path, "" for a file that lies above them."""
    directories = path.split("/")[:-1]
    return "/".join(directories[:depth]) if len(directories) >= depth else ""


def check_member(path: str, *, container: str) -> str:
    """Refuse a path that is no UTF-8, is absolute, or climbs out of its container."""
    try:
        path.encode()
    except UnicodeEncodeError:  # other bytes reach Python as lone surrogates
        shown = path.encode(errors="surrogateescape")
        raise SourceError(
            f"{container} holds the name {shown!r}, which is not UTF-8; rename the file: unpack an "
            "archive, rename, and use the folder or pack it again"
        ) from None
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

    Args:
        keys: The class of each image.

    Raises:
        SourceError: If a number is so large that it is no position in a list of classes.
    """
    every = list(keys)
    present = set(every) - {"", "-1"}
    if not present or not all(re.fullmatch(r"0|[1-9][0-9]*", key) for key in present):
        return None
    largest = max(present, key=lambda key: (len(key), key))  # as numbers, of whatever length
    limit = max(MOST_CLASSES, 10 * len(every))
    if len(largest) > len(str(limit)) or int(largest) >= limit:
        shown = largest if len(largest) < 40 else f"a number of {len(largest)} digits"
        raise SourceError(
            f"class numbers must be below {limit:,}, as {len(every):,} images cannot have more "
            f"classes than that, got {shown}; number the classes from 0, or write them as text"
        )
    return [str(number) for number in range(int(largest) + 1)]


def expand(pattern: str) -> list[Path]:
    """Files of a brace or wildcard pattern, in order: ``train-{0000..0012}.tar``, ``*.tar``.

    Raises:
        SourceError: If a file of the brace range is missing, nothing matches, or two files have
            the same name, by which an index could not tell them apart.
    """
    braces = re.findall(r"\{(\d+)\.\.(\d+)\}", pattern)
    if len(braces) > 1 or any(int(last) < int(first) for first, last in braces):
        raise SourceError(
            f"'{pattern}' must have at most one range in braces, and that counts up; write a "
            "wildcard instead, such as *.tar, or put links to the files in one folder"
        )
    files = _in_range(pattern, *braces[0]) if braces else _matching(Path(pattern))
    known: dict[str, Path] = {}
    for file in files:
        if file.name in known:
            raise SourceError(
                f"the files of '{pattern}' must have different names, as paths in the index begin "
                f"with them; '{known[file.name]}' and '{file}' have the same. Rename them, or put "
                "links with different names in one folder"
            )
        known[file.name] = file
    return files


def _in_range(pattern: str, first: str, last: str) -> list[Path]:
    files = [
        Path(pattern.replace(f"{{{first}..{last}}}", str(number).zfill(len(first))))
        for number in range(int(first), int(last) + 1)
    ]
    if missing := [file for file in files if not file.exists()]:
        raise SourceError(
            f"{len(missing)} of {len(files)} shards of '{pattern}' are missing, the first is "
            f"'{missing[0]}'"
        )
    return files


def _matching(path: Path) -> list[Path]:
    """The file itself, or those of a wildcard in its name."""
    if path.exists():
        return [path]
    wild = any(sign in path.name for sign in "*?[")
    if not (files := sorted(path.parent.glob(path.name)) if wild else []):
        raise SourceError(
            f"no file matches '{path}'; a wildcard may stand in the name of a file, not of a folder"
        )
    return files
