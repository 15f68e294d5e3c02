"""Which files of an index are not what they were when it was made."""

import hashlib
from collections.abc import Sequence

from pipeline.extraction.decoding import ImageBytes
from pipeline.sources.spec import SourceError


def changed_files(
    source: ImageBytes, paths: Sequence[str], hashes: Sequence[str | None], *, most: int = 20
) -> list[str]:
    """Return up to `most` paths whose bytes are gone or do not have their recorded sha256."""
    found: list[str] = []
    for path, expected in zip(paths, hashes, strict=True):
        try:
            same = expected is None or hashlib.sha256(source.read(path)).hexdigest() == expected
        except (OSError, SourceError):  # a file or a member that is gone
            same = False
        if not same:
            found.append(path)
            if len(found) == most:
                break
    return found
