"""The loop of the cache: decode ahead, encode, and put finished rows away in a thread."""

import math
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pipeline.datasets.images import ImageParams
from pipeline.extraction.decoding import (
    ImageReader,
    decode_in_threads,
    decode_in_workers,
    pieces_of,
)
from pipeline.extraction.extract_params import usable_cores
from pipeline.extraction.run_ahead import run_ahead
from pipeline.storage.dtypes import to_dtype

COMMIT_SECONDS = 5.0
COMMIT_BYTES = 8 << 20


@runtime_checkable
class Encoder(Protocol):
    """What the loop needs of a model; `encoder` has the one that runs backbones."""

    prepare: Callable[[Any], Any]  # PIL image to array, in threads or worker processes
    read: Callable[[bytes, str, ImageParams], Any] | None  # in place of Pillow and `prepare`

    def encode(self, pieces: Sequence[Any]) -> Any:
        """Encode the prepared images of one batch."""
        ...

    def rows(self, batches: Sequence[Any]) -> np.ndarray:
        """Return encoded batches as float32 rows."""
        ...

    def facts(self) -> dict[str, Any]:
        """Return `width`, `space` and whatever else the provenance should say."""
        ...


@runtime_checkable
class RowSink(Protocol):
    """Where finished rows go: the side cache of a store, or memory."""

    @property
    def dtype(self) -> np.dtype:
        """That of the rows."""
        ...

    def remember(self, facts: dict[str, Any]) -> None:
        """Take what the loaded model says of its rows."""
        ...

    def commit(self, start: int, rows: np.ndarray) -> None:
        """Take rows [b d], finished and of `dtype`, that stand at `start` in the data set."""
        ...


def encode_batches(
    encoder: Encoder,
    reader: ImageReader,
    batches: Sequence[tuple[int, int]],
    sink: RowSink,
    *,
    advance: Callable[[int], None],
    workers: int = 0,
    pin: bool = False,
    lanes: int = 0,
) -> None:
    """Encode batches; put them away as they are finished, in order.

    Args:
        encoder: The model.
        reader: Reads and prepares image `row`.
        batches: Those (start, stop) of the grid that are still missing.
        sink: Where finished rows go.
        advance: Told the number of images after each batch.
        workers: Decoding processes; 0 for threads.
        pin: Hand over images in page-locked memory.
        lanes: Threads that encode one batch each with one thread of arithmetic, so that no byte
            depends on their number; 0 encodes in the calling thread, for a GPU.

    Raises:
        ImageError: If an image cannot be read; names it. What is finished is kept.
        ValueError: If features are not finite or overflow the store's dtype; names the rows.
    """

    def encode(batch: tuple[tuple[int, int], list[Any]]) -> tuple[tuple[int, int], Any]:
        span, parts = batch
        return span, encoder.encode(parts)

    pieces = pieces_of(batches)
    threads = usable_cores()
    if workers:
        stream: Generator[Any, None, None] = decode_in_workers(
            reader, pieces, workers=workers, pin=pin
        )
    else:
        largest = max(stop - start for start, stop in batches)
        ahead = len(pieces_of([(0, largest)])) + threads
        stream = decode_in_threads(reader, pieces, threads=threads, ahead=ahead)

    ready = ((span, list(islice(stream, len(pieces_of([span]))))) for span in batches)
    if lanes:
        finished = run_ahead(encode, ready, threads=lanes, ahead=lanes)
    else:
        finished = (encode(batch) for batch in ready)
    with (
        closing(stream),
        closing(finished),
        Committer(encoder, sink, seconds=COMMIT_SECONDS) as committer,
    ):
        for (start, stop), features in finished:
            committer.add(start, stop, features)
            advance(stop - start)


class Committer:
    """Collects encoded batches and commits them in one writing thread."""

    def __init__(self, encoder: Encoder, sink: RowSink, *, seconds: float) -> None:
        """Start the thread."""
        self.encoder, self.sink, self.seconds = encoder, sink, seconds
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self.writing: Future[None] | None = None
        self.batches: list[Any] = []
        self.start = self.stop = 0
        self.last = time.monotonic()

    def __enter__(self) -> "Committer":
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit what is collected, also on the way out of an error or an interruption."""
        try:
            if kind is None:
                self.flush()
                self.wait()
            else:
                with suppress(Exception):  # the first error is the one to tell
                    self.flush()
                    self.wait()
        finally:
            self.pool.shutdown(wait=True)

    def add(self, start: int, stop: int, features: Any) -> None:
        """Take one encoded batch."""
        if self.batches and start != self.stop:
            self.flush()
        if not self.batches:
            self.start = start
        self.batches.append(features)
        self.stop = stop
        size = (stop - self.start) * math.prod(features.shape[1:]) * self.sink.dtype.itemsize
        if size >= COMMIT_BYTES or time.monotonic() - self.last >= self.seconds:
            self.flush()

    def flush(self) -> None:
        """Hand the collected batches to the writing thread, after the previous ones."""
        self.wait()
        if self.batches:
            self.writing = self.pool.submit(self._write, self.start, self.batches)
            self.batches = []
        self.last = time.monotonic()

    def wait(self) -> None:
        """Wait for the writing thread; raise what it met."""
        if self.writing is not None:
            writing, self.writing = self.writing, None
            writing.result()

    def _write(self, start: int, batches: list[Any]) -> None:
        rows = self.encoder.rows(batches)
        self.sink.commit(start, to_dtype(rows, self.sink.dtype.name, start=start))
