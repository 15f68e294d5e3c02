"""Image files to model inputs, ahead of the model: in threads of this process, or in workers.

Threads start at once and share memory; Pillow decodes and resizes without the interpreter lock.
Worker processes pay where a GPU takes images faster than one interpreter can hand them out.
"""

import hashlib
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.datasets.images import ImageError, ImageParams, decode_image
from pipeline.extraction.run_ahead import run_ahead
from pipeline.sources.listing import ImageBytes
from pipeline.sources.spec import SourceError

PIECE = 16  # images handed over at once
AHEAD = 4  # pieces that a worker process has ready


class ChangedFileError(ValueError):
    """A file that is gone, or whose content is not what the index recorded."""


@dataclass(frozen=True)
class ImageReader:
    """Reads image `row` of an index and prepares it for the model.

    Attributes:
        source: Where the bytes come from; picklable.
        paths: Path of each row.
        hashes: sha256 of each row's bytes; None where the index holds none.
        prepare: The model's own transform, PIL image to array.
        params: How files become pictures.
        at_least: Sides that a JPEG decoded at reduced size must keep; None decodes in full.
        read: Bytes, path and params to what the model takes, in place of Pillow and `prepare`.
    """

    source: ImageBytes
    paths: Sequence[str]
    hashes: Sequence[str | None]
    prepare: Callable[[Any], Any]
    params: ImageParams = field(default_factory=ImageParams)
    at_least: int | None = None
    read: Callable[[bytes, str, ImageParams], Any] | None = None

    def __call__(self, row: int) -> Any:
        """Return the prepared image.

        Raises:
            ImageError: If the file cannot be read or decoded; names it.
            ChangedFileError: If it is gone or its bytes are not those the index recorded.
        """
        path = self.paths[row]
        try:
            data = self.source.read(path)
        except (FileNotFoundError, SourceError) as error:  # gone since the index was made
            raise ChangedFileError(path) from error
        except OSError as error:
            raise ImageError(path, f"cannot be read ({error.strerror or error})") from error
        if self.hashes[row] and hashlib.sha256(data).hexdigest() != self.hashes[row]:
            raise ChangedFileError(path)
        if self.read is not None:
            return self.read(data, path, self.params)
        image = decode_image(
            data,
            path=path,
            max_pixels=self.params.max_pixels,
            exif=self.params.exif,
            at_least=self.at_least,
        )
        try:
            return self.prepare(image)
        except Exception as error:  # a transform has no idea which file it works on
            width, height = image.size
            reason = str(error) or type(error).__name__
            raise ImageError(
                path, f"{width} x {height} pixels cannot be transformed ({reason})"
            ) from error


def resize_target(prepare: Any) -> int:
    """Return the pixels that an image's shorter side must have before a transform resizes it.

    A JPEG decoded at 1/2, 1/4 or 1/8 of its size that keeps as many is still only ever made
    smaller by the transform, never larger (a margin of 1 x).

    Raises:
        ValueError: If the transform does not begin with a resize to a known size.
    """
    first = next(iter(getattr(prepare, "transforms", [])), None)
    size = getattr(first, "size", getattr(first, "max_size", None))
    if size is None or "resize" not in type(first).__name__.lower():
        raise ValueError(
            "extract.decode: reduced needs a transform that begins with a resize, this one "
            f"begins with {first}; set extract.decode: exact"
        )
    return size if isinstance(size, int) else max(size)


def pieces_of(batches: Sequence[tuple[int, int]]) -> list[range]:
    """Cut batches into the row ranges that are decoded together."""
    return [
        range(low, min(low + PIECE, stop))
        for start, stop in batches
        for low in range(start, stop, PIECE)
    ]


def decode_in_threads(
    reader: ImageReader, pieces: Sequence[range], *, threads: int, ahead: int
) -> Generator[list[Any], None, None]:
    """Return the prepared images of each piece in order, decoding up to `ahead` pieces ahead."""
    local = threading.local()

    def decode(piece: range) -> list[Any]:
        if not hasattr(local, "reader"):
            local.reader = _own_copy(reader)
        return [local.reader(row) for row in piece]

    return run_ahead(decode, pieces, threads=threads, ahead=ahead)


def _own_copy(reader: ImageReader) -> ImageReader:
    """Give a thread its own source, for archives have one file position."""
    import copy
    import dataclasses
    import pickle

    try:
        source = pickle.loads(pickle.dumps(reader.source))
    except (pickle.PickleError, AttributeError, TypeError):
        source = copy.copy(reader.source)
    return dataclasses.replace(reader, source=source)


def decode_in_workers(
    reader: ImageReader, pieces: Sequence[range], *, workers: int, pin: bool
) -> Generator[Any, None, None]:
    """Yield the prepared images of each piece, stacked, from torch's worker processes, in order."""
    import torch
    from torch.utils.data import DataLoader

    loader = DataLoader(
        _Pieces(reader),  # type: ignore[arg-type]
        batch_size=None,
        sampler=pieces,  # type: ignore[arg-type]
        num_workers=workers,
        prefetch_factor=AHEAD,
        pin_memory=pin,
        worker_init_fn=die_with_parent,
        # forked, a worker has no copy of the paths; but threads of a library do not survive that
        multiprocessing_context=None if getattr(reader.source, "fork_safe", True) else "forkserver",
    )
    for item in loader:
        if not isinstance(item, torch.Tensor):
            raise worker_error(item)
        yield item


class _Pieces:
    """What a worker process runs: a piece of rows to one stacked tensor, or the error."""

    def __init__(self, reader: ImageReader) -> None:
        self.reader = reader

    def __getitem__(self, piece: range) -> Any:
        import torch

        try:
            return torch.stack([self.reader(row) for row in piece])
        except ValueError as error:  # ours, or the source's
            return {"error": type(error).__name__, "arguments": list(map(str, error.args))}


def worker_error(item: dict[str, Any]) -> Exception:
    """Return the error that a worker process met."""
    kinds = {kind.__name__: kind for kind in (ImageError, ChangedFileError)}
    return kinds.get(item["error"], ValueError)(*item["arguments"])


def die_with_parent(_: int = 0) -> None:
    """Leave Ctrl-C to the parent; on Linux, die when the parent is killed, with its lock."""
    import ctypes
    import sys

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
