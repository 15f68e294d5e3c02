"""Weights are known by the content of their files, whatever these are called."""

import hashlib
import json
import os

import pytest

from pipeline import files
from pipeline.backbones.checkpoints import WeightsError
from pipeline.backbones.weights import weights_record
from pipeline.extraction.extract_params import ExtractParams, threads_on
from pipeline.files import file_hash, remembered_hash


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A backbone of local files, and its entry."""
    monkeypatch.setenv("OOD_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "my.json").write_text('{"preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}')
    (tmp_path / "my.pt").write_bytes(b"weights")
    return {
        "loader": "open_clip",
        "config": str(tmp_path / "my.json"),
        "checkpoint": str(tmp_path / "my.pt"),
    }


def test_replaced_weights_and_an_edited_configuration_change_the_record(clip, tmp_path):
    first = weights_record("my", clip)
    (tmp_path / "my.json").write_text('{"preprocess_cfg": {"mean": [0.4, 0.5, 0.5]}}')
    second = weights_record("my", clip)
    (tmp_path / "my.pt").write_bytes(b"WEIGHTS")
    third = weights_record("my", clip)

    assert first["sha256"] == second["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert first["config_sha256"] != second["config_sha256"] == third["config_sha256"]
    assert third["sha256"] == file_hash(tmp_path / "my.pt") != first["sha256"]
    assert json.dumps(third)


@pytest.mark.parametrize("replaced", ["train.npy", "parts/b.npy", "words.npy", "others.npy"])
def test_imported_features_are_known_by_all_their_files(tmp_path, monkeypatch, replaced):
    monkeypatch.setenv("OOD_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "parts").mkdir()
    for name in ("train.npy", "parts/a.npy", "parts/b.npy", "words.npy", "others.npy"):
        (tmp_path / name).write_bytes(name.encode())
    entry = {
        "loader": "features",
        "files": {"train": str(tmp_path / "train.npy"), "test": str(tmp_path / "parts")},
        "class_embeddings": str(tmp_path / "words.npy"),
        "negative_embeddings": str(tmp_path / "others.npy"),
    }
    before = weights_record("theirs", entry)
    assert weights_record("theirs", entry) == before

    (tmp_path / replaced).write_bytes(b"replaced")

    assert weights_record("theirs", entry)["sha256"] != before["sha256"]


def test_a_file_that_is_not_there_names_its_parameter(tmp_path, clip):
    with pytest.raises(WeightsError, match=r"models.my.config = .*gone.json must be a file"):
        weights_record("my", clip | {"config": str(tmp_path / "gone.json")})
    with pytest.raises(WeightsError, match=r"models.theirs.files.train = .* must be a file"):
        weights_record("theirs", {"loader": "features", "files": {"train": str(tmp_path / "x")}})


def test_a_file_is_read_again_only_when_it_changed(tmp_path, monkeypatch):
    path, memory = tmp_path / "big.pt", tmp_path / "memory"
    path.write_bytes(b"one")
    read = []
    plain = files.file_hash
    monkeypatch.setattr(files, "file_hash", lambda path: (read.append(path), plain(path))[1])

    first = remembered_hash(path, memory)
    assert remembered_hash(path, memory) == first == plain(path)
    assert len(read) == 1

    path.write_bytes(b"two")  # of the same size
    os.utime(path, ns=(0, 0))
    assert remembered_hash(path, memory) == plain(path) != first
    for note in memory.iterdir():
        note.write_text("{")  # half a note
    assert remembered_hash(path, memory) == plain(path)
    assert len(read) == 3


def test_a_file_of_any_name_is_remembered(tmp_path):
    path = tmp_path / os.fsdecode(b"not-utf-8-\xff.pt")
    path.write_bytes(b"one")

    assert remembered_hash(path, tmp_path / "memory") == files.file_hash(path)


def test_threads_are_what_is_told_or_the_cores_of_the_process(monkeypatch):
    assert threads_on(ExtractParams(threads=3)) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert threads_on(ExtractParams()) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 3}, raising=False)
    assert threads_on(ExtractParams()) == 3
    with pytest.raises(ValueError, match="extract.threads must be at least 1"):
        ExtractParams(threads=0)
