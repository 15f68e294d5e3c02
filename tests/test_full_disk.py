"""A full disk is told by name, in one line, and what is said to be kept is kept."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from small_disk import small_disk

from pipeline.attacks.output import _write_steps
from pipeline.attacks.spec import CraftSpec
from pipeline.backbones.weights import write_record
from pipeline.code_closure import ROOT
from pipeline.datasets.index import write_index
from pipeline.extraction.cache import SideCache
from pipeline.extraction.provenance import write_provenance
from pipeline.files import write_bytes, write_text
from pipeline.folders import folder_written_whole
from pipeline.long_tables import write_table
from pipeline.parquet_files import write_parquet
from pipeline.stage import explained
from pipeline.storage.write_store import write_arrays, write_store
from pipeline.training.finetuning import _save
from pipeline.training.pseudo_labels import write_pseudo_labels
from pipeline.training.row_file import RowFile

RNG = np.random.default_rng(0)
LARGE = RNG.normal(size=(4096, 16)).astype(np.float32)  # 256 KiB that no codec makes small
TABLE = pl.DataFrame(LARGE)
INDEX = pl.DataFrame(
    {
        "path": [f"{number}.png" for number in range(4096)],
        "label": [0, 1] * 2048,
        "class_name": ["a", "b"] * 2048,
        "sha256": [RNG.bytes(32).hex() for _ in range(4096)],
        "error": pl.Series([None] * 4096, dtype=pl.String),
    }
)


def a_row_file(path: Path) -> None:
    try:
        RowFile(path, *LARGE.shape[:1], (16,), LARGE.dtype).put(np.arange(len(LARGE)), LARGE)
    finally:
        path.unlink(missing_ok=True)  # whoever made it removes it


def a_folder(path: Path) -> None:
    with folder_written_whole(path) as partial, (partial / "all").open("wb") as stream:
        stream.write(LARGE.data)


WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: write_bytes(path, LARGE.tobytes()),
    "text": lambda path: write_text(path, LARGE.tobytes().hex()),
    "provenance": lambda path: write_provenance(path, {"rows": LARGE.tolist()}),
    "parquet": lambda path: write_parquet(path, TABLE),
    "long table": lambda path: write_table(path, TABLE, {"about": 1}),
    "index": lambda path: write_index(path, INDEX),
    "pseudo-labels": lambda path: write_pseudo_labels(path, TABLE, {}, {}),
    "checkpoint": lambda path: _save(path, {"model": torch.nn.Linear(256, 256)}, epochs=1),
    "steps of attacks": lambda path: _write_steps(
        path, CraftSpec(ood="x"), LARGE[None], LARGE[None, :, :3]
    ),
    "scratch file": a_row_file,
    "folder": a_folder,
    "store": lambda path: write_store(path, LARGE, np.zeros(len(LARGE), np.int32), {}),
    "arrays": lambda path: write_arrays(path, {"text": LARGE}, {}),
    "metadata": lambda path: write_arrays(path, {}, {"note": LARGE.tolist()}),
    "side cache": lambda path: SideCache.open(path, "key", dtype="float32").commit(0, LARGE),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_it_is_said_what_was_written_where(tmp_path, kind):
    with small_disk(tmp_path / "disk", kib=64) as disk:
        with pytest.raises(OSError, match=r"\[Errno \d+\]") as raised:
            WRITERS[kind](disk / "out")
        left = [path for path in disk.rglob("*") if path.is_file()]

    place = re.escape(str(tmp_path / "disk/out"))
    assert re.fullmatch(
        rf"the disk is full at {place}\S* \(.+\); free some space", explained(raised.value)
    )
    assert left == []


def test_tables_are_written_by_one_function():
    """Polars tells of a full disk by an error of its own, without a path: it gets no file."""
    for path in [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "stages").glob("*.py")]:
        code = path.read_text(encoding="utf-8")
        written = re.findall(r"\.write_parquet\((\w+)|\.write_csv\((\w+)[,)]", code)
        assert {name for pair in written for name in pair} <= {"", "buffer"}, path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that imports 4,096 features."""
    np.save(tmp_path / "features.npy", LARGE)
    np.save(tmp_path / "labels.npy", np.arange(4096, dtype=np.int32) % 2)
    entry = {"loader": "features", "files": {"d": "features.npy"}}
    write_record(tmp_path / "weights", {"entry": entry, "sha256": "none"})
    write_index(tmp_path / "index.parquet", INDEX)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"extract": {}, "images": {}}))
    return tmp_path


def import_command(store: str) -> list[str]:
    command = [sys.executable, "-m", "stages.extract", "mine", "d", "params.yaml", "index.parquet"]
    return [*command, "weights", store, "provenance.json"]


def environment(project: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PATH": "", "OOD_CACHE_DIR": str(project / "cache")}


def test_an_import_on_a_full_disk_speaks_of_no_images(project: Path):
    with small_disk(project / "disk", kib=64) as disk:
        done = subprocess.run(
            import_command("disk/d.zarr"),
            cwd=project,
            env=environment(project),
            capture_output=True,
            text=True,
            check=False,
        )
        left = list(disk.iterdir())

    assert re.fullmatch(
        r"error: the disk is full at disk/d\.zarr \(.+\); free some space\n", done.stderr
    )
    assert done.returncode == 1
    assert left == []


def test_an_import_that_is_stopped_does_not_say_that_images_are_kept(project: Path):
    (project / "params.yaml").unlink()
    os.mkfifo(project / "params.yaml")  # opens when the import reads, which then waits
    process = subprocess.Popen(
        import_command("d.zarr"),
        cwd=project,
        env=environment(project),
        stderr=subprocess.PIPE,
        text=True,
        # a shell starts what it runs in the background with Ctrl-C ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with (project / "params.yaml").open("wb"):
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert errors == "terminated; what was not finished is not kept, run the same command again\n"
