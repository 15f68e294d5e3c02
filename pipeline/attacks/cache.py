"""Finished crafted images, kept outside the stage's outputs until the whole set is written.

DVC deletes a stage's outputs before it runs again, so what a killed run had finished lives in
``<root>/<key>/00012.npz``: the image file's bytes, its row of the index, and the features on the
way. The key is a hash of everything that determines them.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from pipeline.extraction.locks import one_writer


@dataclass(frozen=True)
class CraftedImage:
    """One finished image.

    Attributes:
        png: The file's bytes.
        record: Its index row, JSON-ready.
        snapshots: Surrogate features [s d] on the way, one row a snapshot step.
        sizes: Objective, L2 and L∞ of the perturbation [s 3] at the same steps.
    """

    png: bytes
    record: dict[str, Any]
    snapshots: Float32[np.ndarray, "s d"]
    sizes: Float32[np.ndarray, "s 3"]


@dataclass(frozen=True)
class AttackCache:
    """The finished images of one crafted set."""

    folder: Path

    def path(self, pair: int) -> Path:
        """Where image `pair` is kept."""
        return self.folder / f"{pair:05d}.npz"

    def recover(self) -> None:
        """Remove leftovers and files that are not whole, so that their images are crafted again.

        The checksums in the format tell: a bad disk may give back other bytes than it was given.
        """
        for leftover in self.folder.glob("*.partial"):
            leftover.unlink()
        for path in self.folder.glob("*.npz"):
            try:
                _read(path)
            except Exception:  # what damage raises depends on where it lies
                path.unlink()

    def has(self, pair: int) -> bool:
        """Whether image `pair` is finished."""
        return self.path(pair).is_file()

    def write(self, pair: int, image: CraftedImage) -> None:
        """Keep one image; it is either there whole or not at all."""
        partial = self.path(pair).with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(
                file,
                png=np.frombuffer(image.png, dtype=np.uint8),
                record=np.frombuffer(json.dumps(image.record).encode(), dtype=np.uint8),
                snapshots=image.snapshots,
                sizes=image.sizes,
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path(pair))

    def read(self, pair: int) -> CraftedImage:
        """Return one finished image."""
        return _read(self.path(pair))

    def clear(self) -> None:
        """Forget the set, once it has been written in full."""
        shutil.rmtree(self.folder)


@contextmanager
def open_cache(root: Path, key: str, *, lock_timeout: float = 3600.0) -> Iterator[AttackCache]:
    """Hold the set `key` alone; a run that outlived its killed parent is waited for.

    Raises:
        CacheError: If another process holds it for longer than `lock_timeout` seconds.
    """
    folder = root / "craft" / key[:32]
    with one_writer(
        folder.with_suffix(".lock"),
        what="this crafted set",
        timeout=lock_timeout,
        doing="crafted",
        limit="the longest wait",
    ):
        folder.mkdir(parents=True, exist_ok=True)
        cache = AttackCache(folder)
        cache.recover()
        yield cache


def _read(path: Path) -> CraftedImage:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        return CraftedImage(
            png=kept["png"].tobytes(),
            record=json.loads(kept["record"].tobytes()),
            snapshots=kept["snapshots"],
            sizes=kept["sizes"],
        )


def explain_full_disk(error: OSError, *, done: int, total: int, folder: Path) -> str | None:
    """Say what a full disk means here; None if the error is another one."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return None
    return (
        f"no space left ({error}); {done} of {total} images are kept in {folder}: free some space "
        "and run the same command again"
    )
