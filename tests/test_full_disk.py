"""A full disk is told by name, in one line, and what is said to be kept is kept."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_disk import small_disk

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
from pipeline.training.pseudo_labels import write_pseudo_labels

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
