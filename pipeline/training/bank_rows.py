"""The rows of a bank that a head is trained on: in memory, or streamed where they do not fit."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.storage.store import iter_shards
from pipeline.training.memory import free_bytes
from pipeline.training.probe import Rows
from pipeline.training.probe_memory import BLOCK_ROWS, READ_ROWS, TrainingSize
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


@contextmanager
def training_rows(training: HeadTraining, targets: Targets, *, held: int) -> Iterator[Rows]:
    """Give the rows in memory, or in a scratch file where memory does not hold them.

    Args:
        training: Of which bank, and how.
        targets: Which rows, and towards what.
        held: Bytes that are in memory already.
    """
    bank, about, params, device = training.bank, training.about, training.params, training.device
    limit = held + int(0.6 * free_bytes())
    if params.memory_gib is not None:
        limit = int(params.memory_gib * 2**30)
    count = len(targets.rows)
    size = TrainingSize(
        rows=count,
        width=about["width"],
        classes=training.classes,
        itemsize=np.dtype(about["dtype"]).itemsize,
        soft=targets.soft is not None,
        batch_size=min(params.batch_size, count),
        on_gpu=device == "cuda",
    )
    picked = targets.pick(iter_shards(bank, block=READ_ROWS))
    home = "cuda" if device == "cuda" and fits(size.bank, torch.device(device)) else "cpu"
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
