"""Rows on their way to a GPU, with a stand-in for CUDA's memory and events."""

import numpy as np
import torch

from pipeline.training.pinned_rows import PinnedRows
from pipeline.training.probe_rows import Gather


class Event:
    """A mark in the device's work: what is told of it, in order."""

    def __init__(self, told):  # noqa: D107
        self.told = told

    def record(self):
        self.told.append("reads")

    def synchronize(self):
        self.told.append("has read")


def without_gpu(monkeypatch):
    """Let pinned memory be any memory; return what happened."""
    told, empty, select = [], torch.empty, torch.index_select

    def unpinned(*shape, pin_memory=False, **options):
        told.append(f"pinned {shape}" if pin_memory else "memory")
        return empty(*shape, **options)

    def written(source, dim, rows, *, out):
        told.append("written")
        return select(source, dim, rows, out=out)

    monkeypatch.setattr(torch, "empty", unpinned)
    monkeypatch.setattr(torch, "index_select", written)
    monkeypatch.setattr(torch.cuda, "Event", lambda: Event(told))
    return told


def test_memory_is_written_again_only_after_the_device_has_read_it(monkeypatch):
    told = without_gpu(monkeypatch)
    features, targets = torch.arange(10.0)[:, None], torch.arange(10)
    pinned = PinnedRows(3, torch.device("cpu"))

    for rows in ([4, 0, 7], [9, 2]):
        x, y = pinned.send((features, targets), torch.tensor(rows))
        assert x[:, 0].tolist() == y.tolist() == rows

    assert told == [
        "pinned (3, 1)", "pinned (3,)", "written", "written", "reads",
        "has read", "written", "written", "reads",
    ]  # fmt: skip


def test_rows_of_this_machine_take_that_way_to_a_gpu(monkeypatch):
    """Stored in half precision, they travel so; standardised there, as on the CPU."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(9, 4)).astype(np.float16))
    targets = torch.from_numpy(rng.random((9, 3)).astype(np.float32))
    mean, std = (rng.random(4).astype(np.float32) + 1 for _ in "ab")
    rows = torch.tensor([8, 1, 1, 5])
    gather = Gather(6, mean, std, device=torch.device("cpu"))
    x, y = (part.clone() for part in gather(features, targets, rows))

    without_gpu(monkeypatch)
    gather._pinned = PinnedRows(6, torch.device("cpu"))
    a, b = gather(features, targets, rows)

    assert torch.equal(x, a)
    assert torch.equal(y, b)
    assert gather._pinned._memory[0].dtype == torch.float16
