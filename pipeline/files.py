"""Whole files: hashed piece by piece, and written beside their name before they take it."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIECE = 1 << 20  # bytes hashed at a time
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of an OSError: the disk takes no more


def file_hash(path: Path, kind: str = "sha256") -> str:
    """Return the hexadecimal hash of a file's bytes; hashing releases the interpreter lock."""
    digest = hashlib.new(kind)
    piece = bytearray(PIECE)
    view = memoryview(piece)
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(piece):
            digest.update(view[:count])
    return digest.hexdigest()


def remembered_hash(path: Path, memory: Path) -> str:
    """Return a file's sha256, read anew only where its size, time or place changed.

    Args:
        path: The file.
        memory: Folder that keeps what was found, as DVC does for its own files; may be removed.
    """
    stat = path.stat()
    seen = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
    note = memory / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()}.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["seen"] == seen:
            return known["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never seen, or half a note
    digest = file_hash(path)
    write_text(note, json.dumps({"path": str(path.resolve()), "seen": seen, "sha256": digest}))
    return digest


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to; the file takes its name when the block ends well.

    Whoever looks sees the old file or the new one. Folders above it are made. An error of the
    block that does not say of which file it is, as a failed write does not, is of this one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except Exception as error:
        cause = error if isinstance(error, OSError) else _full_disk(error)
        if cause is None or cause.errno is None:
            raise
        cause.filename = cause.filename or str(path)
        raise cause from None
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes | memoryview, *, durable: bool = False) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file; what is there is replaced.
        content: All of it.
        durable: Also after a power cut, which costs some milliseconds.
    """
    with written_whole(path) as partial, partial.open("wb") as stream:
        stream.write(content)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder safely on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _full_disk(error: BaseException | None) -> OSError | None:
    """Return the full disk behind an error, of which a library such as torch makes its own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None
