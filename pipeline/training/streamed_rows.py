"""Training rows of a probe in a scratch file, for banks that fit no memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.training.moments import Moments
from pipeline.training.probe_rows import Gather, typed
from pipeline.training.row_file import RowFile


@dataclass(frozen=True)
class StreamedRows:
    """Rows in a scratch file, a window of them in memory.

    `spill` put them there in random order once, since banks are sorted by class. An epoch takes
    blocks of the file in a new random order and shuffles the rows of some blocks together: less
    random than `ResidentRows`, the same in steps, batch sizes and every number that is counted.

    Attributes:
        features: Raw rows [n d], in the type of the store.
        targets: Classes [n], or probabilities [n c], in the same order.
        mean: Per-dimension training mean.
        std: Per-dimension training deviation.
        device: Where batches are wanted.
        block: Consecutive rows read at once.
        together: Blocks shuffled together.
    """

    features: RowFile
    targets: RowFile
    mean: np.ndarray
    std: np.ndarray
    device: torch.device
    block: int = 8192
    together: int = 32

    @property
    def width(self) -> int:
        """Return the feature width d."""
        return len(self.mean)

    def __len__(self) -> int:
        """Return the number of rows n."""
        return self.features.rows

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch; a batch is good until the next is asked for.

        Rows that do not fill a batch wait for the next blocks.
        """
        window = min(min(size, len(self)) + self.together * self.block, len(self))
        x, y = (np.empty((window, *file.shape), file.dtype) for file in self._files)
        features, targets = torch.from_numpy(x), torch.from_numpy(y)
        gather = Gather(min(size, len(self)), self.mean, self.std, device=self.device)
        blocks = torch.randperm(-(-len(self) // self.block), generator=generator)
        chunks = blocks.split(self.together)
        held = 0
        for number, chunk in enumerate(chunks, start=1):
            for start in (chunk * self.block).tolist():
                more = min(self.block, len(self) - start)
                for file, memory in zip(self._files, (x, y), strict=True):
                    file.read(start, memory[held : held + more])
                held += more
            order = torch.randperm(held, generator=generator)
            whole = held if number == len(chunks) else held - held % size
            for start in range(0, whole, size):
                yield gather(features, targets, order[start : min(start + size, whole)])
            waiting = order[whole:]
            held -= whole
            features[:held] = features[waiting]
            targets[:held] = targets[waiting]

    @property
    def _files(self) -> tuple[RowFile, RowFile]:
        return self.features, self.targets


def spill(
    picked: Iterable[tuple[np.ndarray, np.ndarray]],
    count: int,
    folder: Path,
    *,
    seed: int,
    dtype: str = "float32",
    device: str | torch.device = "cpu",
    block: int = 8192,
    together: int = 32,
) -> StreamedRows:
    """Copy rows to two scratch files in random order.

    Args:
        picked: Raw rows [b d] and their targets, block by block.
        count: Number of rows in all.
        folder: Where the files go; the caller removes it.
        seed: Of the order.
        dtype: Of the rows in the file; the store's own loses nothing.
        device: Where batches are wanted.
        block: Consecutive rows read at once.
        together: Blocks shuffled together.
    """
    place = np.random.default_rng(seed).permutation(count)
    moments = Moments()
    files: list[RowFile] = []
    done = 0
    for rows, wanted in picked:
        targets = typed(wanted)
        if not files:
            files = [
                RowFile(folder / name, count, values.shape[1:], np.dtype(kind))
                for name, values, kind in (
                    ("features", rows, dtype),
                    ("targets", targets, targets.dtype),
                )
            ]
        places = place[done : done + len(rows)]
        files[0].put(places, rows)
        files[1].put(places, targets)
        moments.add(rows)
        done += len(rows)
    mean, std = moments.mean_and_std()
    assert done == count
    features, labels = files
    return StreamedRows(features, labels, mean, std, torch.device(device), block, together)
