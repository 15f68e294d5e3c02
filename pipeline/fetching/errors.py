"""What may go wrong with a download, told so that the cure is in the message."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)


class DownloadError(RuntimeError):
    """A file cannot be had, or is not the one it should be; the message names the cure."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the disk refuses while a file is read into a `DownloadError`."""
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"{path} must be readable ({error.strerror or error}); ask its owner for read access, "
            "or give another copy: datasets.<name>.path may point anywhere"
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses while a file is written into a `DownloadError`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DownloadError(
                f"no space left for {path} ({error.strerror}); free some space, or set data_root "
                "to a larger disk"
            ) from error
        raise DownloadError(
            f"{path} cannot be written ({error.strerror or error}); set data_root to a folder that "
            "you may write to. Copies that exist stay where they are: link them into it, or give "
            "their place, datasets.<name>.path may point anywhere"
        ) from error
