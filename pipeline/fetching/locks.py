"""One process at a time fetches a file, on this machine or another that sees the same disk."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline import file_lock
from pipeline.fetching.errors import writing


@contextmanager
def only_one(target: Path, *, doing: str) -> Iterator[None]:
    """Hold the lock of a file that is fetched; wait for another process that holds it.

    The block has to look anew for what the other process left. Nothing remains beside the file.

    Args:
        target: The file; its folder exists.
        doing: What is done to it, for the message: ``downloaded``.

    Raises:
        DownloadError: If the disk refuses the lock.
    """
    lock = target.with_name(target.name + ".lock")
    with ExitStack() as held:
        with writing(lock):
            doing = f"{target} is being {doing}"
            held.enter_context(file_lock.only_one(lock, doing=doing, keep=False))
        yield
