"""Features of photos as a store would hold them, computed in memory, block by block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from pipeline.datasets.images import ImageError, ImageParams
from pipeline.extraction.decoding import ChangedFileError
from pipeline.extraction.extract_job import Job, run_everywhere
from pipeline.extraction.extract_params import ExtractParams, batch_grid
from pipeline.extraction.loop import Encoder
from pipeline.indexing.inspection import inspect_files
from pipeline.scoring.photos import Photos

_BLOCK = 16_384  # rows held at a time; the bank is searched once for them


class Block(NamedTuple):
    """Consecutive photos.

    Attributes:
        rows: Position of each readable photo among all of its source.
        features: Of these, rounded as the store of the bank is.
        unreadable: Position and reason of the others.
    """

    rows: list[int]
    features: Float32[np.ndarray, "n d"]
    unreadable: dict[int, str]


@dataclass(frozen=True)
class PhotoEncoder:
    """A backbone that encodes photos by the rules of a store.

    Attributes:
        encoder: The model.
        params: Of the extraction; ``batch_size`` is a number.
        images: How files become pictures.
        device: Where the model is.
    """

    encoder: Encoder
    params: ExtractParams
    images: ImageParams
    device: str

    def blocks(
        self, photos: Photos, *, advance: Callable[[int], None] = lambda done: None
    ) -> Iterator[Block]:
        """Encode the readable photos on the batch grid that a store of them would have.

        Args:
            photos: Of one source.
            advance: Told how many photos are done after each batch; less than none where a block
                must be encoded again, without what cannot be read.

        Raises:
            ValueError: If features are not finite, or do not fit the store's dtype.
        """
        size = int(self.params.batch_size)
        most = max(size, _BLOCK // size * size)
        coming = iter(range(len(photos.paths)))
        told = 0

        def tell(images: int) -> None:
            nonlocal told
            told += images
            advance(images)

        while rows := list(islice(coming, most)):
            features = np.empty((0, 0), np.float32)
            unreadable: dict[int, str] = {}
            while rows:
                before = told
                try:
                    features = self._encoded(photos, rows, tell)
                    break
                except (ImageError, ChangedFileError) as error:
                    bad = self._unreadable(photos, rows, error)
                    tell(len(bad) - (told - before))
                    unreadable |= bad
                    rows = [row for row in rows if row not in bad]
                    rows += islice(coming, most - len(rows))  # the next block begins a new batch
            yield Block(rows, features, unreadable)

    def _encoded(
        self, photos: Photos, rows: Sequence[int], advance: Callable[[int], None]
    ) -> Float32[np.ndarray, "n d"]:
        kept = _Kept(np.dtype(self.params.dtype))
        job = Job(
            lambda _: self.encoder,
            photos.source,
            [photos.paths[row] for row in rows],
            [None] * len(rows),
            self.images,
            self.params,
            kept,
        )
        grid = batch_grid(len(rows), int(self.params.batch_size))
        run_everywhere(job, [self.device], grid, advance=advance)
        return np.concatenate([kept.parts[start] for start in sorted(kept.parts)])

    def _unreadable(
        self, photos: Photos, rows: Sequence[int], error: ImageError | ChangedFileError
    ) -> dict[int, str]:
        """Every photo of the block that cannot be decoded; or the one that the error names."""
        found = inspect_files(
            photos.source,
            [photos.paths[row] for row in rows],
            hashed=False,
            verify=True,
            images=self.images,
        )
        bad = {row: reason for row, (_, reason) in zip(rows, found, strict=True) if reason}
        if bad:
            return bad
        path, reason = (*error.args, "cannot be read any more")[:2]
        return {row: reason for row in rows if photos.paths[row] == path}


@dataclass(frozen=True)
class _Kept:
    """Takes finished rows where an extraction of a store puts them in its side cache."""

    dtype: np.dtype
    parts: dict[int, np.ndarray] = field(default_factory=dict)

    def remember(self, facts: dict[str, Any]) -> None:
        """Nothing: no other run goes on from here."""

    def commit(self, start: int, rows: np.ndarray) -> None:
        """Keep rows, widened as a store's are when they are read."""
        self.parts[start] = rows.astype(np.float32)
