"""Training rows of a probe in shuffled whole batches: resident in memory, or streamed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from pipeline.training.moments import Moments


@dataclass(frozen=True)
class ResidentRows:
    """All rows in the memory of one device; a batch is one gather of a permutation's slice.

    Attributes:
        features: Raw rows [n d], in whatever float type they were stored.
        targets: Classes [n], or probabilities [n c].
        mean: Per-dimension training mean.
        std: Per-dimension training deviation.
        device: Where batches are wanted.
    """

    features: Tensor
    targets: Tensor
    mean: np.ndarray
    std: np.ndarray
    device: torch.device

    @classmethod
    def of(
        cls,
        features: Float[np.ndarray, "n d"],
        targets: Shaped[np.ndarray, "n ..."],
        *,
        device: str | torch.device = "cpu",
        block: int = 8192,
    ) -> "ResidentRows":
        """Put rows on the device if they fit there, else leave them in RAM and send batches."""
        moments = Moments()
        for start in range(0, len(features), block):
            moments.add(features[start : start + block])
        mean, std = moments.mean_and_std()
        rows, wanted = torch.from_numpy(features), torch.from_numpy(_typed(targets))
        place = torch.device(device)
        if place.type == "cuda" and _fits(rows, place):
            rows = rows.to(place)
        return cls(rows, wanted.to(rows.device), mean, std, place)

    @property
    def width(self) -> int:
        """Return the feature width d."""
        return self.features.shape[1]

    def __len__(self) -> int:
        """Return the number of rows n."""
        return len(self.features)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch; the permutation is drawn on the CPU, so devices see one order."""
        order = torch.randperm(len(self), generator=generator).to(self.features.device)
        mean = torch.from_numpy(self.mean).to(self.device)
        std = torch.from_numpy(self.std).to(self.device)
        for start in range(0, len(self), size):
            rows = order[start : start + size]
            batch = self.features.index_select(0, rows).to(self.device, torch.float32)
            targets = self.targets.index_select(0, rows).to(self.device)
            yield batch.sub_(mean).div_(std), targets


@dataclass(frozen=True)
class StreamedRows:
    """Rows in a scratch file, for banks that fit no memory.

    `spill` put them there in random order once, since banks are sorted by class. An epoch takes
    blocks of the file in a new random order and shuffles the rows of some blocks together: less
    random than `ResidentRows`, the same in steps, batch sizes and every number that is counted.

    Attributes:
        features: Raw rows [n d], memory-mapped.
        targets: Classes [n], or probabilities [n c], in the order of the file.
        mean: Per-dimension training mean.
        std: Per-dimension training deviation.
        device: Where batches are wanted.
        block: Consecutive rows read at once.
        together: Blocks shuffled together: what may be in memory.
    """

    features: np.ndarray
    targets: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    device: torch.device
    block: int = 8192
    together: int = 32

    @property
    def width(self) -> int:
        """Return the feature width d."""
        return self.features.shape[1]

    def __len__(self) -> int:
        """Return the number of rows n."""
        return len(self.features)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch; rows that do not fill a batch wait for the next blocks."""
        blocks = torch.randperm(-(-len(self) // self.block), generator=generator).tolist()
        rest_x, rest_y = self.features[:0], self.targets[:0]
        for first in range(0, len(blocks), self.together):
            starts = [number * self.block for number in blocks[first : first + self.together]]
            x = np.concatenate([rest_x, *(self.features[s : s + self.block] for s in starts)])
            y = np.concatenate([rest_y, *(self.targets[s : s + self.block] for s in starts)])
            order = torch.randperm(len(x), generator=generator).numpy()
            last = first + self.together >= len(blocks)
            whole = len(x) if last else len(x) - len(x) % size
            for start in range(0, whole, size):
                rows = order[start : min(start + size, whole)]
                batch = (x[rows].astype(np.float32) - self.mean) / self.std
                targets = torch.from_numpy(_typed(y[rows]))
                yield torch.from_numpy(batch).to(self.device), targets.to(self.device)
            rest_x, rest_y = x[order[whole:]], y[order[whole:]]


Rows = ResidentRows | StreamedRows


def spill(
    shards: Iterable[tuple[int, Float[np.ndarray, "_ d"]]],
    targets: Shaped[np.ndarray, "n ..."],
    rows: Int64[np.ndarray, " m"],
    scratch: Path,
    *,
    seed: int,
    device: str | torch.device = "cpu",
) -> StreamedRows:
    """Copy chosen rows of a bank to a float16 scratch file in random order.

    Args:
        shards: First row and rows of each shard, in order.
        targets: Of all rows of the bank.
        rows: Rows to take, ascending.
        scratch: A new file of 2 x m x d bytes; the caller removes it.
        seed: Of the order.
        device: Where batches are wanted.
    """
    place = np.random.default_rng(seed).permutation(len(rows))
    file: np.ndarray | None = None
    moments = Moments()
    for start, block in shards:
        first, last = np.searchsorted(rows, [start, start + len(block)])
        chosen = block[rows[first:last] - start]
        if file is None:
            shape = (len(rows), block.shape[1])
            file = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.float16, shape=shape)
        file[place[first:last]] = chosen
        moments.add(chosen)
    mean, std = moments.mean_and_std()
    assert file is not None
    in_order = np.empty_like(place)
    in_order[place] = rows
    return StreamedRows(file, targets[in_order], mean, std, torch.device(device))


def _typed(targets: np.ndarray) -> np.ndarray:
    return targets.astype(np.int64 if targets.ndim == 1 else np.float32)


def _fits(rows: Tensor, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return rows.numel() * rows.element_size() < 0.8 * free
