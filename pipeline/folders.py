"""Whole folders: written beside their name before they take it."""

import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.files import FULL, sync_folder


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; it takes its name when the block ends well.

    What is there stays until then. The folder bears a name of this run's own: what an orphan of an
    earlier run still does touches only its folder. What killed runs left is removed, and folders
    above are made. A full disk that the block meets without saying where is this folder's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    unfinished.mkdir()
    try:
        yield unfinished
        _publish(unfinished, path)
    except OSError as error:
        if error.errno in FULL:
            error.filename = error.filename or str(path)
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _publish(finished: Path, path: Path) -> None:
    """Move a finished folder into place, replacing what is there, safely on the disk."""
    if path.exists():
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        finished.rename(path)
        shutil.rmtree(old)
    else:
        finished.rename(path)
    sync_folder(path.parent)
