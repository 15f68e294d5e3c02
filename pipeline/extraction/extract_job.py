"""Extraction on the devices of one machine: the same loop on each, whole batches shared out.

Each device has its own process, model and decoders, and commits its own batches to the side
cache. Which device encodes which batch changes no byte of the store.
"""

import multiprocessing
import os
import queue
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipeline.datasets.images import ImageParams
from pipeline.extraction.decoding import (
    AHEAD,
    PIECE,
    ImageReader,
    die_with_parent,
    resize_target,
)
from pipeline.extraction.extract_params import ExtractParams, threads_on, usable_cores
from pipeline.extraction.loop import Encoder, RowSink, encode_batches
from pipeline.sources.listing import ImageBytes

RUN = 16  # consecutive batches that go to one device


@dataclass(frozen=True)
class Job:
    """What a process needs to encode batches of one data set by one backbone; picklable.

    Attributes:
        load: Device name to encoder.
        source: Where image bytes come from.
        paths: Path of each row.
        hashes: sha256 of each row's bytes, or None.
        images: How files become pictures.
        params: Section ``extract``.
        sink: Where finished rows go.
    """

    load: Callable[[str], Encoder]
    source: ImageBytes
    paths: Sequence[str]
    hashes: Sequence[str | None]
    images: ImageParams
    params: ExtractParams
    sink: RowSink

    def run(
        self,
        device: str,
        batches: Sequence[tuple[int, int]],
        *,
        workers: int,
        advance: Callable[[int], None],
    ) -> None:
        """Encode batches on one device and leave them in the sink."""
        encoder = self.load(device)
        self.sink.remember(encoder.facts())
        reader = ImageReader(
            self.source,
            self.paths,
            self.hashes,
            encoder.prepare,
            params=self.images,
            at_least=resize_target(encoder.prepare) if self.params.decode == "reduced" else None,
            read=encoder.read,
        )
        encode_batches(
            encoder,
            reader,
            batches,
            self.sink,
            advance=advance,
            workers=workers,
            pin=device != "cpu",
            lanes=threads_on(self.params) if device.partition(":")[0] == "cpu" else 0,
        )


def decoding_workers(params: ExtractParams, device: str, devices: int) -> int:
    """Return the number of decoding processes for one device; 0 is threads."""
    if params.workers != "auto":
        return params.workers
    if device == "cpu" or params.decode == "device":
        return 0
    workers = max(2, min(24, usable_cores() // devices))
    return workers if _shared_memory(workers * devices) else 0


def _shared_memory(workers: int) -> bool:
    """Tell whether what workers hand over fits; say so where it does not."""
    needed = workers * AHEAD * PIECE * 3 * 224**2
    if not Path("/dev/shm").is_dir():  # not Linux
        return True
    status = os.statvfs("/dev/shm")
    free = status.f_bavail * status.f_frsize
    if free < needed:
        print(
            f"/dev/shm has {free >> 20} MiB free and {workers} decoding processes need "
            f"{needed >> 20}: decoding in threads, slower on a GPU (docker run --shm-size=2g)",
            file=sys.stderr,
        )
    return free >= needed


def share(batches: Sequence[tuple[int, int]], devices: int) -> list[list[tuple[int, int]]]:
    """Deal runs of consecutive batches to devices in turn."""
    shares: list[list[tuple[int, int]]] = [[] for _ in range(devices)]
    for number in range(0, len(batches), RUN):
        shares[number // RUN % devices].extend(batches[number : number + RUN])
    return shares


def run_everywhere(
    job: Job,
    devices: Sequence[str],
    batches: Sequence[tuple[int, int]],
    *,
    advance: Callable[[int], None],
) -> None:
    """Encode all batches, in this process for one device, in one process each for several.

    Raises:
        Exception: The first error of any process; the others are stopped, and what was finished
            is in the sink.
    """
    used = min(len(devices), -(-len(batches) // RUN))
    if used == 1:
        workers = decoding_workers(job.params, devices[0].partition(":")[0], 1)
        job.run(devices[0], batches, workers=workers, advance=advance)
        return
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    shares = share(batches, used)
    processes = [
        context.Process(target=_work, args=(job, device, mine, used, news))
        for device, mine in zip(devices, shares, strict=False)
    ]
    try:
        for process in processes:
            process.start()
        _follow(processes, news, advance)
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
        for process in processes:
            if process.pid is not None:
                process.join()


def _follow(processes: Sequence[BaseProcess], news: Any, advance: Callable[[int], None]) -> None:
    """Report what processes encode until all are done; raise the first error of any."""
    finished = 0
    while finished < len(processes):
        dead = [process for process in processes if process.exitcode not in (None, 0)]
        for what, value in _arrived(news):  # of a dead one too: its error says why
            if what == "error":
                raise value
            if what == "images":
                advance(value)
            else:
                finished += 1
        if dead:  # the others' work so far is kept, and their GPUs do not wait for the end
            code = dead[0].exitcode
            raise RuntimeError(f"an extraction process died (exit code {code})")


def _arrived(news: Any) -> Iterator[tuple[str, Any]]:
    """Yield what processes have reported, waiting up to a second for the first of it."""
    try:
        yield news.get(timeout=1.0)
        for _ in range(1000):  # and no longer than until somebody looks for the dead again
            yield news.get_nowait()
    except queue.Empty:
        return


def _work(
    job: Job, device: str, batches: Sequence[tuple[int, int]], devices: int, news: Any
) -> None:
    """Run one device's share in its own process; report images, the end, or the error."""
    die_with_parent()
    try:
        job.run(
            device,
            batches,
            workers=decoding_workers(job.params, device.partition(":")[0], devices),
            advance=lambda images: news.put(("images", images)),
        )
        news.put(("done", None))
    except Exception as error:
        news.put(("error", error))
        raise SystemExit(1) from None
