"""MNIST's format: single files, and the folder of its two splits in one order."""

import gzip
import struct

import numpy as np
import pytest

from pipeline.datasets.images import decode_image
from pipeline.fetching.entry import Download, find
from pipeline.fetching.wanted_files import wanted_files
from pipeline.planning.data import plan_data
from pipeline.recorded_runs import RecordedRuns
from pipeline.sources import SourceError, open_source, read_spec
from stages import fetch

PIXELS = np.arange(36, dtype=np.uint8).reshape(3, 3, 4)


def images(pixels):
    return b"\0\0\x08\x03" + struct.pack(">3I", *pixels.shape) + pixels.tobytes()


def labels(*values):
    return b"\0\0\x08\x01" + struct.pack(">I", len(values)) + bytes(values)


def opened(path, **options):
    return open_source(read_spec("digits", {"source": "idx", "path": str(path), **options}))


@pytest.fixture
def folder(tmp_path):
    """Two training images with labels, packed, and one test image."""
    place = tmp_path / "mnist"
    place.mkdir()
    for name, content in {
        "train-images-idx3-ubyte.gz": images(PIXELS[:2]),
        "train-labels-idx1-ubyte.gz": labels(7, 1),
        "t10k-images-idx3-ubyte.gz": images(PIXELS[2:]),
        "t10k-labels-idx1-ubyte.gz": labels(4),
    }.items():
        (place / name).write_bytes(gzip.compress(content))
    return place


def test_files_of_grey_digits(tmp_path):
    one, two = tmp_path / "images-idx3-ubyte.gz", tmp_path / "labels-idx1-ubyte"
    one.write_bytes(gzip.compress(images(PIXELS[:2])))
    two.write_bytes(labels(7, 1))

    source = opened(one, labels=str(two))

    assert [entry.class_key for entry in source.entries()] == ["7", "1"]
    seen = np.asarray(decode_image(source.read("000000.pnm"), path="x"))
    np.testing.assert_array_equal(seen[..., 2], PIXELS[0])
    few = tmp_path / "few-idx1-ubyte"
    few.write_bytes(labels(7))
    with pytest.raises(SourceError, match=r"one label for each of the 2 images of .*shape \(1,\)"):
        opened(one, labels=str(few)).entries()


@pytest.mark.parametrize(
    ("split", "keys", "rows"), [("all", "714", "012"), ("train", "71", "01"), ("test", "4", "2")]
)
def test_training_images_come_before_those_of_the_test(folder, split, keys, rows):
    source = opened(folder, split=split)

    assert [entry.class_key for entry in source.entries()] == list(keys)
    for entry, row in zip(source.entries(), map(int, rows), strict=True):
        seen = np.asarray(decode_image(source.read(entry.path), path="x"))
        np.testing.assert_array_equal(seen[..., 0], PIXELS[row])


def test_labels_may_be_missing_of_both_splits_not_of_one(folder):
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(SourceError, match="holds 't10k-labels-idx1-ubyte.gz' and no labels of th"):
        opened(folder)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert [entry.class_key for entry in opened(folder).entries()] == ["", "", ""]


@pytest.mark.parametrize("sign", "-.")
def test_a_split_that_lies_unpacked_is_read_as_well(folder, sign):
    packed = folder / "train-images-idx3-ubyte.gz"
    plain = folder / f"train-images{sign}idx3-ubyte"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()

    assert len(opened(folder).entries()) == 3


def test_a_packed_file_goes_before_an_unpacked_one_beside_it(folder):
    """It is the one whose checksum is published."""
    (folder / "train-labels-idx1-ubyte").write_bytes(labels(0, 0))

    assert [entry.class_key for entry in opened(folder, split="train").entries()] == ["7", "1"]


def test_the_files_may_lie_in_raw_as_torchvision_lays_them(folder):
    (folder / "raw").mkdir()
    for file in list(folder.glob("*.gz")):
        (folder / "raw" / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()

    assert [entry.class_key for entry in opened(folder).entries()] == ["7", "1", "4"]


def test_what_does_not_fit_together_is_refused(folder):
    file = folder / "t10k-images-idx3-ubyte.gz"
    with pytest.raises(SourceError, match="'split: test' is of a folder with both, '.*gz' is one"):
        opened(file, split="test")
    with pytest.raises(SourceError, match="is a folder, whose labels have names of their own"):
        opened(folder, labels=str(folder / "t10k-labels-idx1-ubyte.gz"))
    file.write_bytes(images(PIXELS.reshape(3, 4, 3)[2:]))
    with pytest.raises(SourceError, match="one size in both splits, got 3 x 4 and 4 x 3"):
        opened(folder).entries()
    file.unlink()
    with pytest.raises(SourceError, match="must hold t10k-images-idx3-ubyte.gz .*split: train or"):
        opened(folder)
    assert len(opened(folder, split="train").entries()) == 2


KNOWN = {
    f"mnist/{part}-images-idx3-ubyte.gz": Download(
        f"mnist/{part}-images-idx3-ubyte.gz",
        url="http://127.0.0.1:9/x",
        bytes=7 if part == "train" else None,
        part_of="mnist",
    )
    for part in ("train", "t10k")
}


def test_a_folder_is_fetched_part_by_part(folder, capsys):
    """One that lies unpacked is no download, for the folder's reader takes it."""
    datasets = {"digits": {"source": "idx", "path": "mnist"}, "own": {"path": "mnist2"}}
    wanted = wanted_files(datasets, KNOWN, [])
    assert [item.download.file for item in wanted] == list(KNOWN)
    packed, root = folder / "train-images-idx3-ubyte.gz", folder.parent
    plain = packed.with_suffix("")
    plain.write_bytes(b"x" * 100)
    assert find(wanted[0].download, root) == packed
    packed.unlink()

    assert [item.state(root) for item in wanted] == ["there", "there"]
    assert fetch.run(wanted, root) == []
    assert f"{plain}: there, used as it is" in capsys.readouterr().out
    plain.unlink()
    assert [item.state(root) for item in wanted] == ["missing", "there"]


def test_the_plan_names_a_split_that_is_missing_and_one_of_another_size(folder):
    datasets = {"digits": {"source": "idx", "path": "mnist"}}
    params = {"datasets": datasets, "benchmark": {"id_test": "none", "id_train": "none"}}
    runs = RecordedRuns({}, params)

    found = plan_data(params, runs, KNOWN, folder.parent)
    assert found.missing == []
    assert found.other[0].startswith(f"digits: '{folder}/train-images-idx3-ubyte.gz' has ")
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    [missing] = plan_data(params, runs, KNOWN, folder.parent).missing
    assert "must hold t10k-images-idx3-ubyte.gz" in missing
    assert missing.endswith(
        "stages.fetch digits; or datasets.digits.path=… names a copy that you have"
    )
