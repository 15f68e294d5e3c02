"""One process at a time, on this machine or another that sees the same disk; the rest wait."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


class StillHeldError(RuntimeError):
    """Another process held a lock for longer than somebody would wait."""


@contextmanager
def only_one(lock: Path, *, doing: str, timeout: float = -1.0, keep: bool = True) -> Iterator[None]:
    """Hold a lock that the system releases when its process dies, however it dies.

    Who waits is told for whom. The block has to look anew for what the other process left.

    Args:
        lock: The lock file, ``*.lock``, in a folder that exists; who holds it is noted beside it.
        doing: What the block does, for the messages: ``a.zip is being unpacked``.
        timeout: Seconds to wait for another holder; negative waits for ever.
        keep: Whether the lock file stays; what lies beside a user's own files does not.

    Raises:
        StillHeldError: If another process still holds it after `timeout` seconds.
        OSError: If the disk refuses the lock.
    """
    note = lock.with_suffix(".holder")
    handle = FileLock(lock)
    try:
        handle.acquire(timeout=0)
    except Timeout:
        print(f"{doing} by {_holder(note)}; waiting for it", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            handle.acquire(timeout=timeout, poll_interval=0.2)
        except Timeout:
            waited = f"{time.monotonic() - started:.0f} s"
            raise StillHeldError(f"{doing} by {_holder(note)}, still after {waited}") from None
    try:
        with suppress(OSError):  # a full disk: nothing depends on the note
            note.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)
            if not keep:
                lock.unlink(
                    missing_ok=True
                )  # still held: whoever waits takes one of this name anew
        handle.release()


def _holder(note: Path) -> str:
    with suppress(OSError):
        return note.read_text(encoding="utf-8") or "another process"
    return "another process"
