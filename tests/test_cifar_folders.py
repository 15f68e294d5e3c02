"""Which CIFAR a folder holds is never guessed, and a row that is gone is named."""

import pickle
import re
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.sources import SourceError, open_source, read_spec


def write_cifar10(folder: Path, label: int = 1) -> None:
    folder.mkdir(parents=True)
    batch = {"data": np.zeros((1, 3072), np.uint8), "labels": [label]}
    (folder / "test_batch").write_bytes(pickle.dumps(batch, 2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["zebra", "ant"]}, 2))


def write_cifar100(folder: Path) -> None:
    folder.mkdir(parents=True)
    batch = {"data": np.zeros((1, 3072), np.uint8), "fine_labels": [0]}
    (folder / "test").write_bytes(pickle.dumps(batch, 2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["apple"]}, 2))


def classes(path: Path) -> list[str]:
    source = open_source(read_spec("mine", {"source": "cifar", "path": str(path)}))
    return [entry.class_key for entry in source.entries()]


def test_a_root_with_both_sets_is_refused_and_each_subfolder_read(tmp_path):
    """As torchvision's `root`; it used to be CIFAR-100 without a word."""
    write_cifar10(tmp_path / "cifar-10-batches-py")
    write_cifar100(tmp_path / "cifar-100-python")

    cure = f"as path: {tmp_path}/cifar-10-batches-py or {tmp_path}/cifar-100-python"
    with pytest.raises(SourceError, match=f"must hold one CIFAR set, .*{re.escape(cure)}"):
        classes(tmp_path)
    assert classes(tmp_path / "cifar-10-batches-py") == ["ant"]
    assert classes(tmp_path / "cifar-100-python") == ["apple"]


def test_two_copies_of_one_set_are_refused(tmp_path):
    write_cifar10(tmp_path / "new")
    write_cifar10(tmp_path / "old")

    with pytest.raises(SourceError, match=r"got 'new/batches\.meta' and 'old/batches\.meta'"):
        classes(tmp_path)


def test_an_archive_of_both_sets_is_refused(tmp_path):
    write_cifar10(tmp_path / "both/ten")
    write_cifar100(tmp_path / "both/hundred")
    with tarfile.open(tmp_path / "both.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "both", "both")

    with pytest.raises(SourceError, match=r"both\.tar\.gz' must hold one CIFAR set"):
        classes(tmp_path / "both.tar.gz")


def test_a_row_that_an_array_no_longer_has_is_named(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", 2, 1, 1) + b"ab")
    source = open_source(read_spec("mine", {"source": "idx", "path": str(path)}))
    assert source.read("000001.pnm").endswith(b"b")

    for name in ("000002.pnm", "a/1.png", "-1.pnm"):
        with pytest.raises(SourceError, match=f"has 2 images and no '{name}', though the index"):
            source.read(name)


@pytest.mark.parametrize("label", [2, 12, -1])
def test_a_label_that_no_class_has_is_refused(label, tmp_path):
    """By hand: -1 used to be the last class, for Python counts from the end."""
    write_cifar10(tmp_path / "ten", label)

    with pytest.raises(SourceError, match=f"ten' holds the label {label}, .* 2 classes, 0 to 1; g"):
        classes(tmp_path / "ten")
