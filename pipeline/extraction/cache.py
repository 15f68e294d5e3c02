"""Finished rows of a store that is not finished yet, outside DVC's outputs.

DVC deletes a stage's outputs before a rerun, so work survives here: one folder a content key, one
file a run of finished batches, `<first>-<last>.<sha256>.rows`. A file appears whole by a rename,
after its bytes are safe on the disk; its name says what it must contain, so that a torn file is
found and computed again. The batch grid is fixed for the whole store: a resumed run encodes the
same batches as an uninterrupted one.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.files import file_hash, write_bytes

NAMED = re.compile(r"(\d+)-(\d+)\.([0-9a-f]{64})\.rows")
PUBLISHED = "published.json"  # beside the rows of a store that was finished


@dataclass(frozen=True)
class Segment:
    """Rows [start, stop) of the store in one file."""

    start: int
    stop: int
    path: Path


@dataclass(frozen=True)
class SideCache:
    """The finished rows of one content key."""

    folder: Path
    dtype: np.dtype

    @classmethod
    def open(cls, root: Path, key: str, *, dtype: str) -> "SideCache":
        """Make the folder of a key where there is none."""
        folder = root / "unfinished" / key
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, np.dtype(dtype).newbyteorder("<"))

    def recover(self) -> list[Segment]:
        """Return the finished segments; remove leftovers and files that are not what they say."""
        for leftover in self.folder.glob("*.partial"):
            leftover.unlink(missing_ok=True)
        segments: list[Segment] = []
        for path in sorted(self.folder.glob("*.rows")):
            if not (named := NAMED.fullmatch(path.name)):
                continue  # not ours
            start, stop, digest = int(named[1]), int(named[2]), named[3]
            if file_hash(path) == digest:
                segments.append(Segment(start, stop, path))
            else:
                path.unlink()
        return segments

    def commit(self, start: int, rows: Float[np.ndarray, "b d"]) -> None:
        """Put finished rows safely on the disk, then give them their name."""
        data = np.ascontiguousarray(rows, dtype=self.dtype)
        digest = hashlib.sha256(data.data).hexdigest()
        name = f"{start:010d}-{start + len(rows):010d}.{digest}.rows"
        write_bytes(self.folder / name, data.data, durable=True)

    def read(
        self, segments: Sequence[Segment], *, width: int
    ) -> Iterator[Float[np.ndarray, "_ d"]]:
        """Yield the rows of all segments in order, each row once."""
        position = 0
        for segment in sorted(segments, key=lambda segment: segment.start):
            rows = np.fromfile(segment.path, dtype=self.dtype).reshape(-1, width)
            if segment.start > position or len(rows) != segment.stop - segment.start:
                raise ValueError(f"{self.folder} does not hold the rows from {position} on")
            yield rows[position - segment.start :]
            position = max(position, segment.stop)

    def remember(self, facts: dict[str, Any]) -> None:
        """Keep what only the loaded model knows, for a run that finds every row finished."""
        text = json.dumps(facts, sort_keys=True)
        write_bytes(self.folder / "model.json", text.encode(), durable=True)

    def recall(self) -> dict[str, Any] | None:
        """Return what `remember` kept."""
        try:
            return json.loads((self.folder / "model.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def mark_published(self, store: Path) -> None:
        """Note where the finished store was put; see `leftovers.clear_published`."""
        text = json.dumps(str(store.resolve()))
        write_bytes(self.folder / PUBLISHED, text.encode(), durable=True)

    def clear(self) -> None:
        """Remove the folder: the store stands."""
        shutil.rmtree(self.folder, ignore_errors=True)


def missing_batches(
    batches: Sequence[tuple[int, int]], segments: Sequence[Segment]
) -> list[tuple[int, int]]:
    """Return the batches (start, stop) that no segment covers."""
    covered = np.zeros(batches[-1][1] if batches else 0, dtype=bool)
    for segment in segments:
        covered[segment.start : segment.stop] = True
    return [(start, stop) for start, stop in batches if not covered[start:stop].all()]
