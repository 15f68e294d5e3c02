"""What the disk says of files without reading them: how large they are and when they changed."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

CHUNK = 2048  # files asked for at once
THREADS = 8  # a network disk answers many questions in the time of one


class FileState(NamedTuple):
    """Size and times of a file; of a link, those of what it leads to.

    Attributes:
        size: In bytes.
        modified: When its content was written, in nanoseconds; may be set to anything, and is by
            what unpacks or copies files.
        changed: When anything of it changed, in nanoseconds; set by the system alone.
    """

    size: int
    modified: int
    changed: int


def file_state(path: str) -> FileState | None:
    """Return the state of a file; None where there is none, or nobody can tell."""
    try:
        status = os.stat(path)  # noqa: PTH116 - one call a file of a large tree
    except OSError:
        return None
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def file_states(paths: Sequence[str]) -> list[FileState | None]:
    """Return the state of each file, in order; a file that stands there twice is asked once."""
    unique = list(dict.fromkeys(paths))
    chunks = [unique[start : start + CHUNK] for start in range(0, len(unique), CHUNK)]
    if len(chunks) < 2:
        found = _chunk(unique)
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            found = [state for states in pool.map(_chunk, chunks) for state in states]
    if len(unique) == len(paths):
        return found
    known = dict(zip(unique, found, strict=True))
    return [known[path] for path in paths]


def _chunk(paths: Sequence[str]) -> list[FileState | None]:
    return [file_state(path) for path in paths]
