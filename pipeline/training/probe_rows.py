"""Training rows of a probe resident in memory, in shuffled whole batches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from pipeline.training.moments import Moments
from pipeline.training.pinned_rows import PinnedRows

BLOCK = 8192  # rows looked at together


class Gather:
    """Takes rows into one float32 batch, standardised; the next call overwrites it."""

    def __init__(
        self,
        size: int,
        mean: np.ndarray,
        std: np.ndarray,
        *,
        device: torch.device,
        standardised: bool = False,
    ) -> None:
        """Take memory for batches of at most so many rows."""
        self._batch = torch.empty(size, len(mean), device=device)
        self._targets: Tensor | None = None
        self._mean, self._std = (torch.from_numpy(part).to(device) for part in (mean, std))
        self._standardised = standardised
        self._pinned = PinnedRows(size, device) if device.type == "cuda" else None

    def __call__(self, features: Tensor, targets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows' features and targets on the device."""
        if self._pinned is not None and features.device.type == "cpu":
            features, targets = self._pinned.send((features, targets), rows)
            batch = self._batch[: len(rows)].copy_(features)
            return batch if self._standardised else self._standardise(batch), targets
        if targets.ndim == 2 and self._targets is None:
            shape = (len(self._batch), targets.shape[1])
            self._targets = self._batch.new_empty(shape)
        batch = _take(features, rows, self._batch)
        if not self._standardised:
            self._standardise(batch)
        if self._targets is None:
            return batch, targets.index_select(0, rows).to(batch.device)
        return batch, _take(targets, rows, self._targets)

    def _standardise(self, batch: Tensor) -> Tensor:
        return batch.sub_(self._mean).div_(self._std)


@dataclass(frozen=True)
class ResidentRows:
    """All rows in the memory of one device; a batch is one gather of a permutation's slice.

    Attributes:
        features: Rows [n d], in whatever float type they were stored.
        targets: Classes [n], or probabilities [n c].
        mean: Per-dimension training mean.
        std: Per-dimension training deviation.
        device: Where batches are wanted.
        standardised: Whether `features` are, so that no batch has to be.
    """

    features: Tensor
    targets: Tensor
    mean: np.ndarray
    std: np.ndarray
    device: torch.device
    standardised: bool = False

    @classmethod
    def of(
        cls,
        features: Float[np.ndarray, "n d"],
        targets: Shaped[np.ndarray, "n ..."],
        *,
        device: str | torch.device = "cpu",
    ) -> "ResidentRows":
        """Put a caller's rows on the device if they fit there, else send batches from RAM.

        In RAM they stay the caller's and are standardised batch by batch.
        """
        moments = Moments()
        for start in range(0, len(features), BLOCK):
            moments.add(features[start : start + BLOCK])
        mean, std = moments.mean_and_std()
        rows, wanted = torch.from_numpy(features), torch.from_numpy(typed(targets))
        place = torch.device(device)
        if place.type == "cuda" and fits(features.nbytes + wanted.nbytes, place):
            rows = rows.to(place)
        return cls(rows, wanted.to(rows.device), mean, std, place)

    @classmethod
    def gathered(
        cls,
        picked: Iterable[tuple[np.ndarray, np.ndarray]],
        count: int,
        *,
        device: str | torch.device = "cpu",
        home: str | torch.device = "cpu",
    ) -> "ResidentRows":
        """Gather rows in memory of their own, once, and standardise them there.

        Args:
            picked: Raw rows [b d] and their targets, block by block.
            count: Number of rows in all.
            device: Where batches are wanted.
            home: Where the rows are kept.
        """
        moments = Moments()
        features, targets, done = torch.empty(0), torch.empty(0), 0
        for rows, wanted in picked:
            if done == 0:
                features = torch.empty(count, rows.shape[1], device=home)
                kind = torch.int64 if wanted.ndim == 1 else torch.float32
                targets = torch.empty(count, *wanted.shape[1:], dtype=kind, device=home)
            moments.add(rows)
            features[done : done + len(rows)] = torch.from_numpy(rows)
            targets[done : done + len(rows)] = torch.from_numpy(wanted)
            done += len(rows)
        mean, std = moments.mean_and_std()
        assert done == count
        features.sub_(torch.from_numpy(mean).to(home)).div_(torch.from_numpy(std).to(home))
        return cls(features, targets, mean, std, torch.device(device), standardised=True)

    @property
    def width(self) -> int:
        """Return the feature width d."""
        return self.features.shape[1]

    def __len__(self) -> int:
        """Return the number of rows n."""
        return len(self.features)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch; a batch is good until the next is asked for.

        The permutation is drawn on the CPU, so devices see one order.
        """
        order = torch.randperm(len(self), generator=generator).to(self.features.device)
        gather = Gather(
            min(size, len(self)),
            self.mean,
            self.std,
            device=self.device,
            standardised=self.standardised,
        )
        for rows in order.split(size):
            yield gather(self.features, self.targets, rows)


def typed(targets: np.ndarray) -> np.ndarray:
    """Return classes as int64, probabilities as float32."""
    return targets.astype(np.int64 if targets.ndim == 1 else np.float32, copy=False)


def fits(size: int, device: torch.device) -> bool:
    """Tell whether so many bytes fit the free memory of a GPU, with a fifth left for the steps."""
    free, _ = torch.cuda.mem_get_info(device)
    return size < 0.8 * free


def _take(source: Tensor, rows: Tensor, memory: Tensor) -> Tensor:
    """Gather rows into the first part of some memory, of whatever type and device."""
    into = memory[: len(rows)]
    if source.dtype == into.dtype and source.device == into.device:
        return torch.index_select(source, 0, rows, out=into)
    return into.copy_(source.index_select(0, rows))
