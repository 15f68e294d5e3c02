"""Training images in shuffled batches: decoded once where they fit in memory, else by workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.extraction.decoding import ImageReader, decode_in_threads, pieces_of
from pipeline.training.memory import free_bytes

THREADS = 4


@dataclass(frozen=True)
class Images:
    """Rows of an index as model inputs.

    The evaluation transform is the training transform, so a decoded image is always the same.

    Attributes:
        read: Row number to prepared image.
        labels: Class of each row.
        decoded: All images [n 3 h w], or None where they do not fit.
        workers: Decoding processes where they do not.
    """

    read: ImageReader
    labels: Int64[np.ndarray, " n"]
    decoded: Tensor | None
    workers: int

    @classmethod
    def of(
        cls,
        read: ImageReader,
        labels: Int64[np.ndarray, " n"],
        *,
        workers: int,
        world: int = 1,
        share: float = 0.25,
    ) -> "Images":
        """Decode everything if `world` processes, each with its own copy, take at most this share.

        Args:
            read: Row number to prepared image.
            labels: Class of each row.
            workers: Decoding processes where they do not fit.
            world: Processes on this machine that do the same at the same time.
            share: Of the free memory.
        """
        first = read(0)
        if world * len(labels) * first.numel() * first.element_size() > share * free_bytes():
            return cls(read, labels, None, workers)
        decoded = torch.empty(len(labels), *first.shape, dtype=first.dtype)
        pieces = pieces_of([(0, len(labels))])
        found = decode_in_threads(read, pieces, threads=THREADS, ahead=4 * THREADS)
        for rows, images in zip(pieces, found, strict=True):
            decoded[rows.start : rows.stop] = torch.stack(images)
        return cls(read, labels, decoded, workers)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def batches(
        self, order: Sequence[Sequence[int]], *, pinned: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and labels of each list of rows, `pinned` to be sent to a GPU unawaited."""
        if self.decoded is not None:
            parts = (self.decoded, torch.from_numpy(self.labels))
            for rows in order:
                chosen = torch.as_tensor(rows)
                images, labels = (_gathered(part, chosen, pinned=pinned) for part in parts)
                yield images, labels
            return
        forked = getattr(self.read.source, "fork_safe", True) or self.workers == 0
        yield from DataLoader(
            Rows(self.read, self.labels),
            batch_sampler=order,  # type: ignore[arg-type]
            num_workers=self.workers,
            pin_memory=pinned,
            # its workers' seed is not drawn where dropout draws: memory must change no weight
            generator=torch.Generator(),
            # threads of the source's library do not survive a fork: a worker would wait for them
            multiprocessing_context=None if forked else "forkserver",
        )


class Rows(Dataset):
    """What a worker process decodes."""

    def __init__(self, read: ImageReader, labels: np.ndarray) -> None:
        """Keep the reader."""
        self.read, self.labels = read, labels

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        """Return one image and its class."""
        return self.read(row), int(self.labels[row])


def _gathered(source: Tensor, rows: Tensor, *, pinned: bool) -> Tensor:
    """Copy rows once, to where they are sent from."""
    into = torch.empty(len(rows), *source.shape[1:], dtype=source.dtype, pin_memory=pinned)
    return torch.index_select(source, 0, rows, out=into)


def epoch_order(rows: int, batch: int, generator: torch.Generator) -> list[list[int]]:
    """Return one epoch's whole batches of a random order."""
    order = torch.randperm(rows, generator=generator)[: rows - rows % batch]
    return order.reshape(-1, batch).tolist()
