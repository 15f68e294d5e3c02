"""The rows of a bank that a head is trained on: in memory, or streamed where they do not fit."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.storage.store import iter_shards
from pipeline.training.memory import free_bytes
from pipeline.training.probe import Rows
from pipeline.training.probe_memory import BLOCK_ROWS, READ_ROWS, TrainingSize, check_limit
from pipeline.training.probe_recipe import ProbeParams
from pipeline.training.probe_rows import ResidentRows, fits
from pipeline.training.probe_targets import Targets
from pipeline.training.streamed_rows import spill


@dataclass(frozen=True)
class HeadTraining:
    """What every head of a backbone is trained with.

    Attributes:
        bank: The store.
        about: Its attributes.
        params: Section `probe`.
        classes: Number of classes.
        device: Where to train.
    """

    bank: Path
    about: dict[str, Any]
    params: ProbeParams
    classes: int
    device: str


def held_before(training: HeadTraining, targets: Mapping[str, Targets]) -> dict[str, int]:
    """Return the bytes in memory before each head's training: all targets, and earlier heads.

    Args:
        training: Of which bank, and how.
        targets: By head, in the order of training.

    Raises:
        ValueError: If memory does not hold the smallest training of every head, so that none is
            trained in vain; names the head that needs most, and what would do.
    """
    start = sum(wanted.nbytes for wanted in targets.values())
    weights = 4 * training.classes * training.about["width"] * len(training.params.seeds)
    held = {head: start + place * weights for place, head in enumerate(targets)}
    needs = {
        head: held[head] + size.least
        for head, wanted in targets.items()
        if not _in_gpu(size := _size(training, wanted), training.device)
    }
    if needs:
        largest = max(needs, key=needs.__getitem__)
        check_limit(needs[largest], _limit(training.params, held=start), head=largest)
    return held


def _size(training: HeadTraining, targets: Targets) -> TrainingSize:
    count = len(targets.rows)
    return TrainingSize(
        rows=count,
        width=training.about["width"],
        classes=training.classes,
        itemsize=np.dtype(training.about["dtype"]).itemsize,
        soft=targets.soft is not None,
        batch_size=min(training.params.batch_size, count),
        on_gpu=training.device == "cuda",
    )


def _in_gpu(size: TrainingSize, device: str) -> bool:
    return device == "cuda" and fits(size.bank, torch.device(device))


def _limit(params: ProbeParams, *, held: int) -> int:
    if params.memory_gib is None:
        return held + int(0.6 * free_bytes())
    return int(params.memory_gib * 2**30)


@contextmanager
def training_rows(training: HeadTraining, targets: Targets, *, held: int) -> Iterator[Rows]:
    """Give the rows in memory, or in a scratch file where memory does not hold them.

    Args:
        training: Of which bank, and how.
        targets: Which rows, and towards what.
        held: Bytes that are in memory already.
    """
    bank, about, params, device = training.bank, training.about, training.params, training.device
    limit = _limit(params, held=held)
    count = len(targets.rows)
    size = _size(training, targets)
    picked = targets.pick(iter_shards(bank, block=READ_ROWS))
    home = "cuda" if _in_gpu(size, device) else "cpu"
    if home == "cuda" or held + size.resident <= limit:
        yield ResidentRows.gathered(picked, count, device=device, home=home)
        return
    window = size.window(limit, held=held)
    block = min(window, BLOCK_ROWS)
    with tempfile.TemporaryDirectory(dir=bank.parent, prefix=".probe-") as folder:
        yield spill(
            picked,
            count,
            Path(folder),
            seed=params.seeds[0],
            dtype=about["dtype"],
            device=device,
            block=block,
            together=window // block,
        )
