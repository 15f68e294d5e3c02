"""Errors of sources name the option that mends them; forms that go round are read as they are."""

import gzip
import shlex
import struct
from pathlib import Path

import pytest
from archives import write_tar

from pipeline.code_closure import ROOT
from pipeline.composition import composed
from pipeline.indexing.id_sets import check_id
from pipeline.sources import Entry, SourceError, open_source, read_spec


def put(place: Path, *names: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        (place / name).write_bytes(b"x")
    return place


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train-0.parquet", "train-1.parquet"], "Parquet files .*: 2, .* by source: parquet"),
        (["data-0.arrow", "state.json", "dataset_info.json"], "Arrow files .*to_parquet"),
        (["a-0.tar", "a-1.tar", "_info.json"], "holds archives .*: 2, .*give source: tar"),
    ],
)
def test_a_folder_of_files_that_hold_images_names_the_source_that_reads_them(names, said, tmp_path):
    source = open_source(read_spec("mine", str(put(tmp_path / "x", *names))))

    with pytest.raises(SourceError, match=said):
        source.entries()


def test_a_json_beside_images_is_none_of_it(tmp_path):
    source = open_source(read_spec("mine", str(put(tmp_path / "x", "a.json", "a.png"))))

    assert [entry.path for entry in source.entries()] == ["a.json", "a.png"]


def test_a_subfolder_that_is_not_there_names_those_that_are(tmp_path):
    path = write_tar(tmp_path / "x.tar", {"inat/images/1.jpg": b"", "README": b""})

    with pytest.raises(
        SourceError, match=r"set subfolder to .* to '' for all: .* are inat/images$"
    ):
        open_source(read_spec("mine", {"path": str(path), "subfolder": "iNat"})).entries()


def test_a_list_of_files_that_lie_elsewhere_names_strip_and_prefix(tmp_path):
    put(tmp_path / "x", "1.jpg")
    (tmp_path / "l.txt").write_text("top/1.jpg -1\n")
    entry = {"source": "list", "path": str(tmp_path / "l.txt"), "root": str(tmp_path / "x")}

    with pytest.raises(SourceError, match="are not in .*: top/1.jpg; strip drops leading folders"):
        open_source(read_spec("mine", entry)).entries()
    assert len(open_source(read_spec("mine", {**entry, "strip": 1})).entries()) == 1


def test_labels_may_stand_behind_a_semicolon(tmp_path):
    """The whole line used to be the class."""
    put(tmp_path / "x", "1.jpg", "2.jpg")
    (tmp_path / "l.csv").write_text("2.jpg;n02\n1;n01\n")
    entry = {"path": str(tmp_path / "x"), "labels": str(tmp_path / "l.csv")}

    entries = open_source(read_spec("mine", entry)).entries()

    assert [tuple(entry) for entry in entries] == [("1.jpg", "n01"), ("2.jpg", "n02")]


def test_mnist_as_torchvision_lays_it_down_is_read(tmp_path):
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for lead, count in (("train", 3), ("t10k", 2)):
        data = b"\0\0\x08\x03" + struct.pack(">III", count, 2, 2) + bytes(4 * count)
        (raw / f"{lead}-images-idx3-ubyte.gz").write_bytes(gzip.compress(data))

    entry = {"source": "idx", "path": str(tmp_path / "MNIST")}

    assert len(open_source(read_spec("mine", entry)).entries()) == 5


@pytest.mark.parametrize(
    "path",
    [
        "/data/train-{0000..0001}.tar",
        "~/photos",
        "/data/é",
        "/data/a(1)",
        "/data/a=b",
        "/data/a#b",
        "/data/a[0]",
        "/data/a'b",
        '/data/a"b',
        "/data/a&b;c!",
    ],
)
def test_a_path_that_hydra_cannot_read_is_told_with_the_word_that_it_can(path, monkeypatch):
    """There used to be the grammar's own error alone. The cure is tried in a shell."""
    monkeypatch.chdir(ROOT)

    with pytest.raises(ValueError, match="has quotes inside the shell's: ") as raised:
        composed(["benchmark=folders", f"datasets.id_train.path={path}"])
    [word] = shlex.split(str(raised.value).partition("the shell's: ")[2])

    params = composed(["benchmark=folders", word])
    assert params["datasets"]["id_train"]["path"] == path


def test_a_list_that_hydra_cannot_read_is_not_quoted_as_a_whole(monkeypatch):
    monkeypatch.chdir(ROOT)

    with pytest.raises(ValueError, match="""the shell's: '\\+datasets="…"'$"""):
        composed(["benchmark=folders", "+datasets={a: /data/é}"])
    with pytest.raises(ValueError, match="does not compose with backbone: ") as raised:
        composed(["backbone"])
    assert "quotes" not in str(raised.value)


def test_class_folders_that_lie_one_folder_deeper_are_told_by_subfolder():
    """As in a tar of the folder train; the cure used to be to rearrange it."""
    with pytest.raises(SourceError, match=r"'train', say so by \+datasets\.tr\.subfolder=train$"):
        check_id([Entry("train/n01/1.jpg", "train")], dataset="tr", training=True)


def test_the_cure_of_images_without_a_class_is_an_override_that_works():
    """Hydra wants a + before a key that is not there."""
    with pytest.raises(SourceError, match=r" \+datasets\.val\.labels may name a file"):
        check_id([Entry("1.jpg", "")], dataset="val", training=False)
