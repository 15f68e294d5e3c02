"""A change of what is read in place changes its record, and nothing else does."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from archives import write_tar
from own_home import run
from PIL import Image

from pipeline.code_closure import ROOT
from pipeline.indexing.file_records import file_record
from pipeline.sources import SourceError, read_spec
from stages import record_files


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        put(tmp_path / "photos" / name)
    return tmp_path / "photos"


def state(values: object) -> str:
    return file_record(read_spec("mine", values), "").state


def test_what_is_added_removed_renamed_or_replaced_is_another_state(photos):
    states = [state(str(photos))]
    added = put(photos / "dog/2.png")
    states.append(state(str(photos)))
    added.rename(photos / "dog/3.png")
    states.append(state(str(photos)))
    before = (photos / "cat/1.png").stat()
    put(photos / "cat/1.png", b"y")
    os.utime(photos / "cat/1.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    states.append(state(str(photos)))  # of the same size and time: the system's own tells
    assert len(set(states)) == 4

    (photos / "dog/3.png").unlink()
    assert state(str(photos)) not in states


def test_nothing_new_is_the_same_state_wherever_the_folder_lies(photos):
    first = state(str(photos))
    put(photos / "cat/.DS_Store")
    put(photos / "Thumbs.db")
    assert state(str(photos)) == first
    assert state(str(photos.rename(photos.with_name("moved")))) == first


@pytest.fixture
def kinds(photos, tmp_path) -> dict[str, tuple[object, Path]]:
    """An entry of each kind, and a file whose change must be noticed."""
    labels = put(tmp_path / "labels.txt", b"1.png a\n")
    listed = put(tmp_path / "list.txt", b"cat/1.png 0\n")
    keys = put(tmp_path / "classes.txt", b"dog\ncat\n")
    table = tmp_path / "tables/0.parquet"
    table.parent.mkdir()
    pl.DataFrame({"image": [b"x"]}).write_parquet(table)
    np.save(tmp_path / "rows.npy", np.ones((2, 2)))
    rows = {"source": "features", "path": str(tmp_path / "rows.npy"), "labels": str(labels)}
    of_list = {"source": "list", "path": str(listed), "root": str(photos)}
    packed = put(tmp_path / "photos.zip")
    shard = write_tar(tmp_path / "s0.tar", {"a/1.png": b"x"})
    batch = put(tmp_path / "cifar/test_batch")
    return {
        "labels": ({"path": str(photos / "cat"), "labels": str(labels)}, labels),
        "classes": ({"path": str(photos), "classes": str(keys)}, keys),
        "class_names": ({"path": str(photos), "class_names": str(keys)}, keys),
        "zip": (str(packed), packed),
        "tar": ({"source": "tar", "path": f"{tmp_path}/s*.tar"}, shard),
        "list": (of_list, listed),
        "listed": (of_list, photos / "cat/1.png"),
        "packed": ({**of_list, "root": str(packed)}, packed),
        "parquet": ({"source": "parquet", "path": str(table.parent)}, table),
        "cifar": ({"source": "cifar", "path": str(batch.parent)}, batch),
        "mat": ({"source": "mat", "path": str(batch)}, batch),
        "idx": ({"source": "idx", "path": str(batch), "labels": str(labels)}, labels),
        "rows": (rows, tmp_path / "rows.npy"),
        "row_labels": (rows, labels),
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("labels", "classes", "class_names", "zip", "tar", "list", "listed", "packed"),
        *("parquet", "cifar", "mat", "idx", "rows", "row_labels"),
    ],
)
def test_every_file_behind_an_index_counts(kind, kinds):
    values, file = kinds[kind]
    first = state(values)
    assert state(values) == first

    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))

    assert state(values) != first


def test_no_image_is_opened_and_no_archive(photos, tmp_path):
    """None of these files is what its name says."""
    for path in ("photos.zip", "t.tar", "t.parquet", "t.mat"):
        state(str(put(tmp_path / path)))


@pytest.fixture
def params(photos, tmp_path) -> dict:
    put(tmp_path / "test/cat/1.png")
    return {
        "benchmark": {"id_train": "train", "id_test": "test"},
        "data_root": None,
        "datasets": {"train": str(photos), "test": str(tmp_path / "test"), "drawn": {}},
        "fixed_sets": [],
        "matrix": {"indexed": ["train", "test"]},
    }


def recorded(params: dict, folder: Path) -> dict[str, str]:
    record_files.write(record_files.run(params, folder), folder, roles=params["benchmark"])
    return {path.stem: path.read_text() for path in folder.iterdir()}


def test_labels_of_the_test_set_are_places_in_the_training_sets_classes(params, photos, tmp_path):
    first = recorded(params, tmp_path / "files")
    assert first == recorded(params, tmp_path / "files")
    assert json.loads(first["train"])["files"] == 3

    put(photos / "ant/1.png")

    second = recorded(params, tmp_path / "files")
    assert (first["test"] != second["test"], first["train"] != second["train"]) == (True, True)
    put(tmp_path / "test/dog/1.png")
    third = recorded(params, tmp_path / "files")
    assert (second["test"] != third["test"], second["train"] != third["train"]) == (True, False)


@pytest.mark.parametrize("fixed", ["all", ["test", "train"]])
def test_a_fixed_set_is_looked_at_once(fixed, params, photos, tmp_path):
    params["fixed_sets"] = fixed
    first = recorded(params, tmp_path / "files")
    put(photos / "cat/3.png")

    assert recorded(params, tmp_path / "files") == first
    params["fixed_sets"] = ["test"]
    assert recorded(params, tmp_path / "files") != first


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_set_out_of_reach_keeps_its_record(how, params, photos, tmp_path, capsys):
    """As a disk that is not mounted; what needs its images will say so."""
    first = recorded(params, tmp_path / "files")
    away = photos.rename(tmp_path / "away")
    if how == "empty":
        photos.mkdir()

    assert recorded(params, tmp_path / "files") == first
    assert "warning: train is out of reach, so its index stays as it is" in capsys.readouterr().err

    for damage in ("{", "{}", "[]"):
        (tmp_path / "files/train.json").write_text(damage)
        with pytest.raises(SourceError, match="does not exist|holds no file"):
            recorded(params, tmp_path / "files")
    if how == "empty":
        photos.rmdir()
    away.rename(photos)
    assert recorded(params, tmp_path / "files") == first


def test_another_place_has_no_record_yet(params, tmp_path):
    recorded(params, tmp_path / "files")
    params["datasets"]["train"] = str(tmp_path / "photoss")

    with pytest.raises(SourceError, match=r"'datasets\.train\.path' does not exist; tried"):
        recorded(params, tmp_path / "files")


def test_records_of_other_sets_go(params, tmp_path):
    recorded(params, tmp_path / "files")
    params["matrix"]["indexed"] = ["train"]
    assert set(recorded(params, tmp_path / "files")) == {"train"}


STAGES = ("check_params", "record_files", "index")


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """The real stages up to the index, without those that fingerprint their code."""
    for name, shade in (("tr/cat/1", 1), ("tr/dog/1", 2), ("te/cat/1", 3), ("te/dog/1", 4)):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (4, 4), (shade, 0, 0)).save(path)
    put(tmp_path / "ood/1.png", (tmp_path / "te/dog/1.png").read_bytes())
    put(tmp_path / "prompts.txt", b"a photo of a {c}.\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    from pipeline.composition import composed

    folder = [f"datasets.id_{name}.path={tmp_path}/{name[:2]}" for name in ("train", "test")]
    params = composed(
        [
            "benchmark=folders",
            "study=single",
            "backbone=vit_b",
            "text.prompts=prompts.txt",
            *folder,
            f"+datasets={{ood: {tmp_path}/ood}}",
        ]
    )
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    whole = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    stages = {name: whole[name] for name in STAGES}
    for stage in stages.values():
        stage["deps"] = [dep for dep in stage["deps"] if not dep.startswith("data/code")]
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    return tmp_path


def dvc(folder: Path, *arguments: str) -> list[str]:
    """Run DVC; return the stages that it ran."""
    done = run(folder, sys.executable, "-m", "dvc", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


@pytest.mark.slow
def test_dvc_repro_notices_what_changed_and_nothing_else(repository):
    """Of three sets, the one with another image is indexed again; edited prompts are checked."""
    text = repository / "data/params/text.json"
    dvc(repository, "init", "--no-scm", "-q")
    ran = dvc(repository, "repro")
    assert ran[:2] == ["check_params", "record_files@datasets"]
    assert set(ran[2:]) == {"index@id_train", "index@id_test", "index@ood"}
    before = text.read_text()

    put(repository / "ood/2.png", (repository / "tr/cat/1.png").read_bytes())
    put(repository / "prompts.txt", b"a drawing of a {c}.\n")

    assert dvc(repository, "repro") == ["check_params", "record_files@datasets", "index@ood"]
    assert pl.read_parquet(repository / "data/index/ood.parquet")["path"].to_list() == [
        "1.png",
        "2.png",
    ]
    assert text.read_text() != before
