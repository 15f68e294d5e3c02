"""One process at a time fetches a file, on this machine or another that sees the same disk."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.fetching.errors import writing


@contextmanager
def only_one(target: Path, *, doing: str) -> Iterator[None]:
    """Hold the lock of a file that is fetched; wait for another process that holds it.

    The system releases the lock when its process dies, however it dies. The block has to look anew
    for what the other process left. Nothing remains beside the file.

    Args:
        target: The file; its folder exists.
        doing: What is done to it, for the message: ``downloaded``.

    Raises:
        DownloadError: If the disk refuses the lock.
    """
    lock, note = (target.with_name(target.name + suffix) for suffix in (".lock", ".holder"))
    handle = FileLock(lock)
    with writing(lock):
        try:
            handle.acquire(timeout=0)
        except Timeout:
            print(
                f"{target} is being {doing} by {_holder(note)}; waiting for it",
                file=sys.stderr,
                flush=True,
            )
            handle.acquire(poll_interval=0.2)
    try:
        with suppress(OSError):
            note.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)  # still held: whoever waits takes a lock of this name anew
        handle.release()


def _holder(note: Path) -> str:
    with suppress(OSError):
        return note.read_text(encoding="utf-8") or "another process"
    return "another process"
