"""Copies are found by content and by features, within and across sets, and shown."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from pipeline.code_closure import ROOT
from pipeline.datasets.index import write_index
from pipeline.duplicates.pair_sheet import PicturePair, pair_sheet
from pipeline.duplicates.report import warnings
from pipeline.duplicates.search import (
    ImageSetRows,
    Pair,
    exact_copies,
    find_overlap,
    near_copies,
)
from pipeline.storage.write_store import write_store
from stages import find_duplicates

RNG = np.random.default_rng(0)


def index(*contents: str | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": range(len(contents)),
            "path": [f"{row}.png" for row in range(len(contents))],
            "sha256": pl.Series(contents, dtype=pl.String),
        }
    )


def rows_of(name: str, role: str, features: np.ndarray, *contents: str | None) -> ImageSetRows:
    return ImageSetRows(name, role, index(*contents), shards=lambda: [(0, features)])


def test_exact_copies_by_hand():
    bank = index("a", "b", "a", "c")

    assert exact_copies(index("x", "a"), bank, within=False) == [Pair(1, 0, 1.0, True)]
    assert exact_copies(bank, bank, within=True) == [Pair(2, 0, 1.0, True)]


def naive_near(queries, bank, threshold, within):
    """The definition, one query at a time, whatever the norms."""
    found = []
    for row, query in enumerate(queries):
        cosines = bank @ query / np.linalg.norm(bank, axis=1) / np.linalg.norm(query)
        if within:
            cosines[row] = -2
        if cosines.max() >= threshold:
            found.append((row, int(cosines.argmax())))
    return found


@pytest.mark.parametrize("within", [True, False])
def test_near_copies_agree_with_the_definition(within):
    bank = RNG.normal(size=(60, 5)).astype(np.float32) * 7
    queries = bank if within else RNG.normal(size=(40, 5)).astype(np.float32)

    found = near_copies(queries, [(0, bank[:25]), (25, bank[25:])], threshold=0.9, within=within)

    assert [(pair.row, pair.other_row) for pair in found] == naive_near(queries, bank, 0.9, within)
    assert 0 < len(found) < len(queries)


def test_a_leak_into_the_bank_is_the_first_warning():
    features = np.eye(3, dtype=np.float32)
    train = rows_of("train", "ID train", features, "a", "b", "c")
    test = rows_of("test", "ID test", features[[0, 2]] + np.float32(0.001), "a", "z")
    sets = {"train": train, "test": test}

    overlap = find_overlap(test, train, threshold=0.99, largest=1, shown=5)

    assert (overlap.exact, overlap.near, overlap.reason) == (1, 2, None)
    assert overlap.pairs[0] == Pair(0, 0, 1.0, True)
    assert overlap.pairs[1].other_row == 2
    told = warnings([overlap], sets)
    assert told[0].startswith("1 image of test (ID test) is also in train, the bank")
    assert told[1].startswith("1 further image of test (ID test) is nearly the same as in the bank")


def test_each_couple_within_a_set_is_shown_once():
    copies = rows_of("ood", "OOD", np.ones((2, 3), np.float32), "a", "b")

    overlap = find_overlap(copies, copies, threshold=0.99, largest=1, shown=5)

    assert (overlap.exact, overlap.near) == (0, 2)
    assert [(pair.row, pair.other_row) for pair in overlap.pairs] == [(0, 1)]


def test_what_was_not_compared_says_why():
    one = rows_of("one", "OOD", np.ones((2, 3), np.float32), None, None)

    overlap = find_overlap(one, one, threshold=0.99, largest=0, shown=5)

    assert (overlap.exact, overlap.near) == (None, None)
    assert "no content hashes" in overlap.reason
    assert "more than duplicates.largest = 0" in overlap.reason


def test_a_sheet_of_no_pairs_and_of_a_picture_that_is_gone():
    empty = pair_sheet([], title="no duplicates found")
    pair = PicturePair(Image.new("RGB", (8, 8), "red"), None, ("cosine 0.99", "x" * 200))

    sheet = pair_sheet([pair] * 4, title="4")

    assert sheet.width == empty.width
    assert sheet.height > empty.height
    assert (255, 0, 0) in {colour for _, colour in sheet.getcolors(100_000)}


def write_sets(names: dict[str, list[str]], *, store: str = "{}.zarr", index: str = "{}.parquet"):
    """Write pictures of plain colours with their indices, stores and params.yaml."""
    vectors = {"red": [1, 0], "green": [0, 1], "darkred": [1, 0.01]}
    for name, colours in names.items():
        for row, colour in enumerate(colours):
            path = Path(name) / "c" / f"{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 9), colour).save(path)
        files = sorted(Path(name).rglob("*.png"))
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        paths = [f"c/{path.name}" for path in files]
        table = {"path": paths, "label": 0, "class_name": "c", "sha256": digests}
        error = pl.lit(None, dtype=pl.String).alias("error")
        write_index(Path(index.format(name)), pl.DataFrame(table).with_columns(error))
        features = np.array([vectors[colour] for colour in colours], np.float32)
        write_store(Path(store.format(name)), features, np.zeros(len(colours), np.int32), {})
    params = {
        "benchmark": {"id_train": "train", "id_test": "test"},
        "datasets": {name: name for name in names},
        "duplicates": {"threshold": 0.999},
        "images": {},
        "matrix": {
            "ood": [name for name in names if name not in ("train", "test")],
            "reference": "vit",
        },
    }
    Path("params.yaml").write_text(yaml.safe_dump(params))


def test_the_command_reports_and_draws(tmp_path, monkeypatch, capsys):
    """The OOD set holds one file of the bank, and a second image with nearly its features."""
    monkeypatch.chdir(tmp_path)
    write_sets({"train": ["red", "green"], "ood": ["red", "darkred"]})
    sets = [["--set", name, f"{name}.parquet", f"{name}.zarr"] for name in ("ood", "train")]

    for report in ("a.json", "b.json"):
        command = ["x", f"reports/{report}", "reports/sheet.png", *sets[0], *sets[1]]
        monkeypatch.setattr(sys, "argv", command)
        find_duplicates.main()

    record = json.loads(Path("reports/a.json").read_text())
    overlap = record["overlaps"]["ood in train"]
    assert (overlap["exact"], overlap["near"]) == (1, 2)
    assert overlap["pairs"][0] == {
        "image": "c/0.png",
        "other": "c/0.png",
        "cosine": 1.0,
        "exact": True,
    }
    assert record["overlaps"]["train in train"]["near"] == 0
    assert "warning: 1 image of ood (OOD) is also in train, the bank" in capsys.readouterr().out
    assert Path("reports/a.json").read_bytes() == Path("reports/b.json").read_bytes()
    with Image.open("reports/sheet.png") as sheet:
        assert (139, 0, 0) in {colour for _, colour in sheet.convert("RGB").getcolors(100_000)}


def test_all_sets_are_compared_with_each_other(tmp_path, monkeypatch):
    """Two OOD sets share a file; neither shares one with the bank."""
    monkeypatch.chdir(tmp_path)
    names = {"train": ["green"], "test": ["green"], "one": ["red"], "two": ["darkred", "red"]}
    write_sets(names, store="data/features/vit/{}.zarr", index="data/index/{}.parquet")
    command = [sys.executable, "-m", "stages.compare_sets", "all.json", "all.png"]
    places = {"PYTHONPATH": str(ROOT)}

    subprocess.run(command, env=os.environ | places, check=True)

    overlaps = json.loads(Path("all.json").read_text())["overlaps"]
    assert overlaps["two in one"]["exact"] == 1
    assert overlaps["two in one"]["near"] == 2
    assert overlaps["test in train"]["exact"] == 1
    assert overlaps["one in train"]["exact"] == overlaps["two in train"]["near"] == 0
