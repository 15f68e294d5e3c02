"""Which files of an index are not what they were when it was made."""

import hashlib
import time
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.sources.listing import ImageBytes
from pipeline.sources.spec import SourceError

MOST = 20  # files that an error names
SECONDS = 60.0  # that somebody who waits for an error can bear


class Changed(NamedTuple):
    """Paths that changed, and whether these are all."""

    paths: list[str]
    all: bool


def changed_files(
    source: ImageBytes,
    paths: Sequence[str],
    hashes: Sequence[str | None],
    *,
    first: str,
    most: int = MOST,
    seconds: float = SECONDS,
) -> Changed:
    """Find paths whose bytes are gone or do not have their recorded sha256.

    Args:
        source: Where the files lie.
        paths: Path of each row.
        hashes: sha256 of each row's bytes; None where the index holds none.
        first: A path known to have changed; looking begins there.
        most: Look no further than so many.
        seconds: Look no longer than this.
    """
    begin, started = paths.index(first), time.monotonic()
    found: list[str] = []
    for row in (*range(begin, len(paths)), *range(begin)):
        if len(found) == most or time.monotonic() - started > seconds:
            return Changed(found, all=False)
        try:
            same = hashes[row] in (None, hashlib.sha256(source.read(paths[row])).hexdigest())
        except (OSError, SourceError):  # a file or a member that is gone
            same = False
        if not same:
            found.append(paths[row])
    return Changed(found, all=True)
