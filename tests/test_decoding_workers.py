"""Decoding processes: what they may share, what they report, and when there is no room for them."""

import io
import os
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from extraction_world import Files
from PIL import Image
from torchvision import transforms

from pipeline.extraction import extract_job
from pipeline.extraction.decoding import ImageReader, decode_in_workers
from pipeline.extraction.encoder import resolve_device
from pipeline.extraction.extract_params import ExtractParams, expected_device, usable_cores
from pipeline.sources.parquet import ParquetSource

PREPARE = transforms.Compose([transforms.Resize((4, 4)), transforms.ToTensor()])


def png(value):
    data = io.BytesIO()
    Image.new("RGB", (5, 5), (value, value, value)).save(data, "png")
    return data.getvalue()


@pytest.mark.slow
def test_rows_of_parquet_come_from_worker_processes_too(tmp_path):
    """Polars has threads that a forked process does not have: it would wait for them for ever."""
    table = pl.DataFrame({"image": [{"bytes": png(n), "path": None} for n in range(40)]})
    table.write_parquet(tmp_path / "a.parquet")
    assert pl.scan_parquet(tmp_path / "a.parquet").collect().height == 40  # its threads are up
    source = ParquetSource([tmp_path / "a.parquet"], "image", None)
    paths = [entry.path for entry in source.entries()]
    reader = ImageReader(source, paths, [None] * 40, PREPARE)

    rows = torch.cat(
        list(decode_in_workers(reader, [range(16), range(16, 40)], workers=2, pin=False))
    )

    assert source.fork_safe is False
    np.testing.assert_allclose(rows[:, 0, 0, 0].numpy() * 255, np.arange(40), atol=1e-3)


class Failing(Files):
    def read(self, path):
        raise ValueError(f"'{path}' is no longer there; index the set again")


@pytest.mark.slow
def test_an_error_of_a_source_keeps_its_one_line(tmp_path):
    reader = ImageReader(Failing(tmp_path), ["a.png"], [None], PREPARE)

    with pytest.raises(ValueError, match="^'a.png' is no longer there; index the set again$"):
        list(decode_in_workers(reader, [range(1)], workers=1, pin=False))


def test_without_room_for_their_images_there_are_no_worker_processes(monkeypatch, capsys):
    monkeypatch.setattr(extract_job, "usable_cores", lambda: 16)
    small, large = (SimpleNamespace(f_bavail=n << 20, f_frsize=1) for n in (64, 4096))

    monkeypatch.setattr(extract_job.os, "statvfs", lambda _: large)
    assert extract_job.decoding_workers(ExtractParams(), "cuda", 1) == 16
    assert extract_job.decoding_workers(ExtractParams(), "cuda", 2) == 8
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(extract_job.os, "statvfs", lambda _: small)
    assert extract_job.decoding_workers(ExtractParams(), "cuda", 1) == 0
    assert "64 MiB free and 16 decoding processes need 147" in capsys.readouterr().err
    assert extract_job.decoding_workers(ExtractParams(workers=3), "cuda", 1) == 3  # as told


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)

    assert usable_cores() == 3


def test_a_gpu_is_seen_by_its_device_file(monkeypatch, capsys):
    """Containers may lack /proc/driver/nvidia."""
    from pathlib import Path

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(
        Path,
        "glob",
        lambda self, pattern: [Path("/dev/null")] if pattern == "nvidia[0-9]*" else [],
    )
    assert expected_device("auto") == "cuda"

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    assert "torch cannot use it" in capsys.readouterr().err
