"""What find_duplicates did not search is said, and what it cannot read or mean is one error."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import write_index
from pipeline.duplicates.params import DuplicateParams
from pipeline.duplicates.report import as_record, warnings
from pipeline.duplicates.search import ImageSetRows, Overlap, Pair, find_overlap
from pipeline.sources import open_source, read_spec
from pipeline.storage.write_store import write_store
from stages.find_duplicates import pictures

ROOT = Path(__file__).parent.parent


def rows_of(name: str, hashes: list[str | None]) -> ImageSetRows:
    index = pl.DataFrame(
        {
            "row": range(len(hashes)),
            "path": [f"{row}.png" for row in range(len(hashes))],
            "sha256": pl.Series(hashes, dtype=pl.String),
        }
    )
    features = np.eye(len(hashes), dtype=np.float32)
    return ImageSetRows(name, "OOD", index, shards=lambda: [(0, features)])


def test_a_search_that_was_too_large_is_a_warning():
    """Twelve pairs of images are more than the zero million allowed."""
    train, test = rows_of("train", ["a", "b", "c", "d"]), rows_of("test", ["e", "f", "g"])
    pairs = ((train, train), (test, train), (test, test))
    found = [find_overlap(one, other, threshold=0.9, largest=0, shown=1) for one, other in pairs]

    told = warnings(found, {"train": train, "test": test})

    assert len(told) == 3
    assert told[0].startswith("train was not searched for near copies in itself: 0 million pairs")
    assert told[1].startswith("test was not searched for near copies in train: ")
    assert told[1].endswith("duplicates.largest = 0; raise it to search them")


def test_sets_without_hashes_say_that_equal_files_were_not_looked_for():
    one = rows_of("one", [None, None])

    told = warnings([find_overlap(one, one, threshold=0.9, largest=1, shown=1)], {"one": one})

    assert told == [
        "one was not searched for equal files in itself: no content hashes (index.hash is false)"
    ]


def test_imported_features_are_said_once_to_have_no_files():
    """Hashes could not be turned on: three comparisons, one sentence, near copies as ever."""
    one, two = (replace(rows_of(name, [None, None]), files=False) for name in ("one", "two"))
    pairs = ((one, one), (two, one), (two, two))
    found = [find_overlap(a, b, threshold=0.9, largest=1, shown=1) for a, b in pairs]
    sets = {"one": one, "two": two}

    told = warnings(found, sets)

    assert told == [
        "2 images of two (OOD) are nearly the same as in one",
        "imported features have no files, so that no equal ones were looked for",
    ]
    record = as_record(found, sets, threshold=0.9)
    assert record["sets"]["one"]["files"] is False
    assert record["overlaps"]["two in one"]["reason"] == "imported features have no files"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"threshold": 99.0}, r"duplicates\.threshold must be in \(0, 1\], got 99"),
        ({"threshold": 0.0}, "got 0"),
        ({"threshold": float("nan")}, "got nan"),
        ({"largest": -1}, "duplicates.largest must be 0 or more, got -1"),
        ({"shown": -1}, "duplicates.shown must be 0 or more"),
        ({"pictures": -2}, "duplicates.pictures must be 0 or more, got -2"),
    ],
)
def test_parameters_that_would_find_nothing_in_silence_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        DuplicateParams(**option)


def test_a_threshold_of_one_is_kept():
    assert DuplicateParams(threshold=1.0).threshold == 1


def test_pictures_are_decoded_as_every_other_stage_decodes_them(tmp_path):
    """EXIF orientation 6 turns an image of 6 by 2 pixels upright; four pixels are too few."""
    image, exif = Image.new("RGB", (6, 2), "red"), Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "0.png", exif=exif)
    sets = {"one": rows_of("one", ["a"])}
    sources = {"one": open_source(read_spec("one", str(tmp_path)))}
    overlap = Overlap("one", "one", 1, 1, None, [Pair(0, 0, 1.0, exact=True)])

    for images, size in (
        (ImageParams(), (6, 2)),
        (ImageParams(exif="apply"), (2, 6)),
        (ImageParams(max_pixels=4), None),
    ):
        (pair,) = pictures([overlap], sets, sources, count=1, images=images)
        assert (pair.left and pair.left.size) == size
        assert ("no picture" in pair.lines[1]) == (size is None)


def test_features_of_other_images_than_the_index_lists_are_refused():
    one = rows_of("one", ["a", "b"])
    more = ImageSetRows("one", "OOD", one.index, shards=rows_of("x", ["a", "b", "c"]).shards)

    with pytest.raises(ValueError, match="'one' must have one row .* got 3 rows and 2 images"):
        find_overlap(more, more, threshold=0.9, largest=1, shown=1)


def write_world(folder: Path) -> None:
    error = pl.lit(None, dtype=pl.String).alias("error")
    for name in ("train", "test"):
        (folder / name).mkdir()
        Image.new("RGB", (4, 4)).save(folder / name / "0.png")
        table = {"path": ["0.png"], "label": 0, "class_name": "c", "sha256": ["a"]}
        write_index(folder / f"{name}.parquet", pl.DataFrame(table).with_columns(error))
        rows = np.ones((1, 2), np.float32)
        write_store(folder / f"{name}.zarr", rows, np.zeros(1, np.int32), {})
    params = {
        "benchmark": {"id_train": "train", "id_test": "test"},
        "datasets": {"train": "train", "test": "test"},
        "duplicates": {},
        "images": {},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def shard_of(store: Path) -> Path:
    return next(file for file in sorted(store.rglob("features/c/**/*")) if file.is_file())


def flipped(folder: Path) -> None:
    shard = shard_of(folder / "test.zarr")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (flipped, "test.zarr"),
        (lambda folder: shard_of(folder / "test.zarr").unlink(), "test.zarr"),
        (lambda folder: (folder / "test.zarr/manifest.json").write_text("{"), "test.zarr"),
        (lambda folder: (folder / "test.zarr").rename(folder / "gone.zarr"), "test.zarr"),
        (lambda folder: (folder / "test.parquet").unlink(), "test.parquet"),
        (lambda folder: (folder / "params.yaml").write_text("benchmark: {}"), "'duplicates'"),
    ],
)
def test_a_damaged_store_or_a_missing_index_is_one_line(damage, named, tmp_path):
    write_world(tmp_path)
    damage(tmp_path)
    sets = [w for n in ("train", "test") for w in ("--set", n, f"{n}.parquet", f"{n}.zarr")]

    done = subprocess.run(
        [sys.executable, "-m", "stages.find_duplicates", "a.json", "a.png", *sets],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert named in done.stderr
    assert not (tmp_path / "a.json").exists()
