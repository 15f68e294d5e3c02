"""Importing features holds a block of rows in memory, whatever the kind and length of the file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROWS, WIDTH = 262_144, 64  # 64 MiB as float32; a block of 16,384 rows is 4 MiB
LIMIT = 60  # MiB above what the same import of 100 rows needs; those read whole need 85 and more

# A peak of this process alone; ru_maxrss would begin with the parent's.
SCRIPT = """
import sys
import polars as pl
from pipeline.extraction.imports import import_features
from pipeline.sources import parquet_rows

parquet_rows.SPAN_BYTES = 4 << 20  # one block here, as a shard's 64 MiB would be the whole file

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024

def consume(dataset, rows):
    index = pl.DataFrame({"label": pl.Series([0] * rows, dtype=pl.Int32)})
    return sum(len(block) for block in import_features("b", model, dataset, index).features)

big, small, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = {"files": {"id_train": small}}
consume("id_train", 100)
model = {"files": {"id_train": big, "ood": small}}
for dataset, count in (("ood", 100), ("id_train", rows)):
    before = peak()
    assert consume(dataset, count) == count
    print(peak() - before)
"""


def save(path: Path, rows: np.ndarray) -> Path:
    match path.suffix:
        case ".npy":
            np.save(path, rows)
        case ".npz":
            np.savez(path, features=rows)
        case ".pt":
            torch = pytest.importorskip("torch")
            torch.save({"features": torch.from_numpy(rows)}, path)
        case ".safetensors":
            from safetensors.numpy import save_file

            save_file({"features": rows}, path)
        case ".parquet":
            pl.DataFrame({"features": rows}).write_parquet(path, row_group_size=8192)
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc")
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".safetensors", ".parquet"])
def test_memory_does_not_grow_with_the_file(suffix, tmp_path):
    """Neither by ID train's, whose norms other sets are compared with, nor by its own."""
    rows = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
    big, small = save(tmp_path / f"big{suffix}", rows), save(tmp_path / f"s{suffix}", rows[:100])
    command = [sys.executable, "-c", SCRIPT, str(big), str(small), str(ROWS)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "2"}

    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    assert all(float(grown) < LIMIT for grown in found.stdout.split()), found.stdout
