"""What `device` of a section means, wherever it stands."""

import pytest
import torch

from pipeline.code_closure import ROOT
from pipeline.devices import device_names, resolve


@pytest.mark.parametrize(
    ("asked", "gpu", "found"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_auto_is_a_gpu_where_torch_sees_one(monkeypatch, asked, gpu, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)

    assert resolve(asked, parameter="probe.device") == found


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(ValueError, match=r"extract\.device is cuda, but torch sees no GPU; set it"):
        resolve("cuda", parameter="extract.device")


def test_every_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    assert device_names("cuda") == ["cuda:0", "cuda:1"]
    assert device_names("cpu") == ["cpu"]


def test_one_function_decides():
    """Four of them had three wordings."""
    asking = [
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "stages")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "torch sees no GPU; set it" in path.read_text(encoding="utf-8")
    ]
    assert asking == ["pipeline/devices.py"]
