"""Finished work that is needed no more, or that no run came back for, below the side cache."""

import json
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.extraction.cache import PUBLISHED

DAY = 86400.0  # seconds
# Folders of unfinished work, one for each key, and where the lock of a key lies.
LOCKS = {"unfinished": "locks", "craft": "craft", "finetuning": "finetuning"}


@dataclass(frozen=True)
class Leftover:
    """The unfinished work of one key: rows of a store, crafted images or a training's epochs."""

    folder: Path
    bytes: int
    days: float

    def line(self) -> str:
        """Return one line for a person."""
        size = f"{self.bytes / 2**20:,.1f} MiB"
        name = f"{self.folder.parent.name}/{self.folder.name[:16]}"
        return f"{name}: {size}, untouched for {self.days:,.1f} days"


def leftovers(root: Path) -> list[Leftover]:
    """Return the work of every key below the side cache, the oldest first."""
    found = []
    now = time.time()
    for folder in (folder for kind in LOCKS for folder in (root / kind).glob("*")):
        try:
            stats = [path.stat() for path in (folder, *folder.iterdir())]
        except OSError:
            continue  # a lock, or its run has just finished
        newest = max(stat.st_mtime for stat in stats)
        size = sum(stat.st_size for stat in stats[1:])
        found.append(Leftover(folder, size, (now - newest) / DAY))
    return sorted(found, key=lambda leftover: -leftover.days)


def prune(root: Path, *, days: float) -> list[Leftover]:
    """Remove what nobody has touched for `days` days; return it.

    A key that a run holds is left alone, however old its files are. Rows that ``extract.keep``
    left on purpose are removed by age too; so are locks of work that was finished.

    Args:
        root: Folder of the side cache.
        days: Smallest age; 0 removes all that no run holds.

    Raises:
        ValueError: If `days` is negative or no number.
    """
    if not days >= 0:
        raise ValueError(f"the age must be 0 days or more, got {days}")
    removed = []
    for leftover in leftovers(root):
        if leftover.days >= days and _remove(leftover.folder):
            removed.append(leftover)
    for kind, locks in LOCKS.items():
        for lock in (root / locks).glob("*.lock"):
            with suppress(FileNotFoundError):  # its run has just removed it
                work = root / kind / lock.stem
                if not work.exists() and (time.time() - lock.stat().st_mtime) / DAY >= days:
                    _remove(work)
    return removed


def clear_published(root: Path) -> None:
    """Remove the rows of every finished store that still stands where it was put.

    DVC takes a store over after its stage has ended; killed before, it deletes the store and runs
    the stage again. So a stage leaves its rows, and the next one, which runs after DVC is through,
    removes them.
    """
    for marker in (root / "unfinished").glob(f"*/{PUBLISHED}"):
        try:
            store = Path(json.loads(marker.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
        if stored_key(store) == marker.parent.name:
            _remove(marker.parent)


def stored_key(store: Path) -> str | None:
    """Return the content key that a store on disk claims; None where there is no store."""
    try:
        return json.loads((store / "zarr.json").read_text(encoding="utf-8"))["attributes"]["key"]
    except (OSError, ValueError, KeyError):
        return None


def _remove(folder: Path) -> bool:
    """Remove the work of a key, then its lock, unless a run holds it; return whether it is gone."""
    lock = folder.parents[1] / LOCKS[folder.parent.name] / f"{folder.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            if folder.exists():
                shutil.rmtree(folder)
            lock.with_suffix(".holder").unlink(missing_ok=True)
            lock.unlink(missing_ok=True)  # still held: whoever waits takes one of this name anew
    except Timeout:
        return False
    return True
