"""Finished rows that no run came back for: found by age, removed unless a run holds them."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

DAY = 86400.0  # seconds


@dataclass(frozen=True)
class Leftover:
    """The unfinished work of one content key."""

    folder: Path
    bytes: int
    days: float

    def line(self) -> str:
        """Return one line for a person."""
        size = f"{self.bytes / 2**20:,.1f} MiB"
        return f"{self.folder.name[:16]}: {size}, untouched for {self.days:,.1f} days"


def leftovers(root: Path) -> list[Leftover]:
    """Return the work of every key below the side cache, the oldest first."""
    found = []
    now = time.time()
    for folder in (root / "unfinished").glob("*"):
        try:
            stats = [path.stat() for path in (folder, *folder.iterdir())]
        except OSError:
            continue  # its run has just finished
        newest = max(stat.st_mtime for stat in stats)
        size = sum(stat.st_size for stat in stats[1:])
        found.append(Leftover(folder, size, (now - newest) / DAY))
    return sorted(found, key=lambda leftover: -leftover.days)


def prune(root: Path, *, days: float) -> list[Leftover]:
    """Remove what nobody has touched for `days` days; return it.

    A key that a run holds is left alone, however old its files are. Rows that ``extract.keep``
    left on purpose are removed by age too.

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
        if leftover.days < days:
            continue
        lock = root / "locks" / f"{leftover.folder.name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(lock, timeout=0):
                shutil.rmtree(leftover.folder)
        except Timeout:
            continue
        removed.append(leftover)
    return removed
