"""Read every image file of a listing once: its content hash, and whether it can be decoded."""

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

from pipeline.datasets.images import ImageError, ImageParams, decode_image
from pipeline.sources.listing import Source

CHUNK = 64  # files a task; errors and progress come back in these portions
PROCESSES_FROM = 5_000  # decoding is worth starting processes for
Finding = tuple[str | None, str | None]  # content hash, reason it cannot be used


def inspect_file(
    source: Source, path: str, *, hashed: bool, verify: bool, images: ImageParams
) -> Finding:
    """Hash and decode one file; what is wrong with it comes back as text, never as a crash."""
    try:
        data = source.read(path)
    except Exception as error:  # a broken link, a damaged archive member, a lost share
        return None, f"cannot be read ({error})"
    digest = hashlib.sha256(data).hexdigest() if hashed else None
    if not data:
        return digest, "the file is empty (0 bytes)"
    if verify:
        try:
            decode_image(data, path=path, max_pixels=images.max_pixels, exif=images.exif)
        except ImageError as error:
            return digest, error.reason
    return digest, None


def inspect_files(
    source: Source,
    paths: Sequence[str],
    *,
    hashed: bool,
    verify: bool,
    images: ImageParams,
    workers: int = 0,
    advance: Callable[[int], object] = lambda done: None,
) -> list[Finding]:
    """Inspect files in parallel; the answers come in the order of the paths.

    Args:
        source: Where the files are.
        paths: Which files.
        hashed: Take the content hash.
        verify: Decode each image completely.
        images: Limits for the decoder.
        workers: How many at once; 0: one a core for decoding in processes, four a core for
            hashing in threads, which mostly wait for the disk.
        advance: Called with the number of files just done.
    """
    if not (hashed or verify):
        return [(None, None)] * len(paths)
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    found: list[Finding] = []
    look = partial(_inspect_chunk, hashed=hashed, verify=verify, images=images)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if verify and len(paths) >= PROCESSES_FROM and (workers or cores or 1) > 1:
        pool: Executor = ProcessPoolExecutor(
            workers or cores,
            mp_context=multiprocessing.get_context("spawn"),  # no fork beside running threads
            initializer=_adopt,
            initargs=(source,),
        )
    else:
        pool = ThreadPoolExecutor(workers or 4 * (cores or 1))
        look = partial(look, source=source)
    with pool:
        for findings in pool.map(look, chunks):
            found += findings
            advance(len(findings))
    return found


_adopted: Source | None = None  # a worker process gets its source once, not with every task


def _adopt(source: Source) -> None:
    global _adopted
    _adopted = source


def _inspect_chunk(
    paths: Sequence[str],
    *,
    hashed: bool,
    verify: bool,
    images: ImageParams,
    source: Source | None = None,
) -> list[Finding]:
    source = source or _adopted
    assert source is not None
    return [
        inspect_file(source, path, hashed=hashed, verify=verify, images=images) for path in paths
    ]
