"""What every source lists: paths with their classes."""

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from pipeline.sources.spec import SourceError

INDEX_AGAIN = "put back what the index lists, or index the data set again"
# Class numbers are positions in a list of classes: with few images they may still reach this far.
MOST_CLASSES = 1_000_000


class Entry(NamedTuple):
    """One image: its path relative to the data set, and its class ("" where it has none)."""

    path: str
    class_key: str


@runtime_checkable
class ImageBytes(Protocol):
    """Where the bytes of images are read. Picklable: worker processes open their own handles."""

    def read(self, path: str) -> bytes:
        """Return the content of one image file, in whatever order they are asked for."""
        ...


@runtime_checkable
class Source(ImageBytes, Protocol):
    """A place with images, and what it says of them."""

    def entries(self) -> list[Entry]:
        """All images, sorted by path."""
        ...

    def class_order(self) -> list[str] | None:
        """Class keys in label order where the source numbers them itself, else None."""
        ...


def class_of(path: str, *, depth: int) -> str:
    """The first directories of a path, "" for a file that lies above them."""
    directories = path.split("/")[:-1]
    return "/".join(directories[:depth]) if len(directories) >= depth else ""


def check_member(path: str, *, container: str) -> str:
    """Return a path without ``.`` and doubled slashes, which a member may be written with.

    ``tar cf x.tar images/.`` writes ``images/./1.jpg``.

    Raises:
        SourceError: If the path is no UTF-8, is absolute, or climbs out of its container.
    """
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
    return posixpath.normpath(path)


def check_no_archives(paths: Sequence[str], *, container: str) -> None:
    """Refuse archives where images should be, as in ImageNet's tar of one tar a class.

    Notes beside them, as the ``_info.json`` of shards, count as neither.
    """
    packed = [path for path in paths if not path.lower().endswith((".json", ".txt"))]
    kinds = {path.lower().rpartition(".")[2] for path in packed}
    if kinds == {"parquet"}:
        raise SourceError(
            f"{container} holds Parquet files where images should be: {len(packed)}, the first is "
            f"'{min(packed)}'; say so by source: parquet"
        )
    if kinds == {"arrow"}:
        raise SourceError(
            f"{container} holds Arrow files where images should be: {len(packed)}, the first is "
            f"'{min(packed)}'. Save the data set as Parquet (to_parquet) and say source: parquet"
        )
    if kinds and all(path.lower().endswith((".tar", ".tar.gz", ".tgz", ".zip")) for path in packed):
        raise SourceError(
            f"{container} holds archives where images should be: {len(packed)}, the first is "
            f"'{min(packed)}'. Unpack each into a folder of its name, which is then the class (for "
            't in *.tar; do mkdir "${t%.tar}" && tar -xf "$t" -C "${t%.tar}"; done); or, if they '
            "are shards of one data set, give source: tar and a pattern such as *.tar as path"
        )


def below(paths: Sequence[str], subfolder: str, *, container: str) -> list[str]:
    """Keep the paths below a subfolder, relative to it."""
    if not subfolder:
        return list(paths)
    prefix = subfolder.strip("/") + "/"
    kept = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
    if not kept:
        held = sorted({path.rpartition("/")[0] for path in paths} - {""})[:5]
        raise SourceError(
            f"{container} has no file below the subfolder '{subfolder}'; set subfolder to where "
            f"the data set begins, or to '' for all: folders in it are {', '.join(held) or 'none'}"
        )
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
