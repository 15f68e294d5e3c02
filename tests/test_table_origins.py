"""Tables of another backbone, dataset or detector are never compared."""

import json
import sys

import numpy as np
import polars as pl
import pytest
import yaml

from pipeline.datasets.index import write_index
from pipeline.long_tables import write_table
from pipeline.record_origins import record_origin
from pipeline.table_origins import check_origins, read_origin
from pipeline.tables import read_scores, write_predictions, write_scores
from stages import accuracy, evaluate

BANK = {"dataset": "train", "key": "b" * 64, "rows": 90}
ORIGIN = {
    "backbone": "tiny",
    "detector": "d" * 64,
    "bank": BANK,
    "methods": {"knn_1": {"score": "knn", "k": 1}},
}
PROVENANCE = {
    "key": BANK["key"],
    "key_parts": {"dtype": "float16", "precision": "float32", "device": "cpu"},
    "record": {"loader": "timm", "name": "tiny_net", "entry": {}, "sha256": "w" * 64},
    "space": "features",
    "width": 96,
    "versions": {"torch": "2.15.0"},
    "git_commit": "abc+",
}
PATHS = {
    "id": "scores/tiny/test.parquet",
    "ood": "scores/tiny/greek.parquet",
    "predictions": "predictions/tiny/test.parquet",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Score tables of an ID and an OOD set, predictions, an index and params."""
    monkeypatch.chdir(tmp_path)
    for name in PATHS:
        write(tmp_path, name)
    paths = [f"{i}.png" for i in range(30)]
    columns = {"row": range(30), "path": paths, "label": -1, "class_name": "", "sha256": ""}
    index = pl.DataFrame(columns | {"error": None}, schema_overrides={"error": pl.String})
    write_index(tmp_path / "index.parquet", index.with_columns(row=pl.lit(None)))
    (tmp_path / "bank.json").write_text(json.dumps(PROVENANCE))
    params = {"evaluate": {"resamples": 100, "replicates": 100, "compare": []}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def write(folder, name, **changed):
    """One table, of another origin where asked for."""
    rng = np.random.default_rng(0)
    about = ORIGIN | {"dataset": "greek" if name == "ood" else "test"} | changed
    path = folder / PATHS[name]
    if name == "predictions":
        labels = np.arange(20, dtype=np.int32) % 3
        write_predictions(path, {"lp": labels}, labels, about=about)
    else:
        rows = 30 if name == "ood" else 20
        write_scores(path, {"knn_1": rng.random(rows)}, about=about)


def run(monkeypatch, stage):
    """The stage as the command line of dvc.yaml runs it."""
    command = {
        evaluate: [PATHS["id"], PATHS["ood"], "index.parquet", "out.json", "--dataset", "greek"],
        accuracy: [PATHS["predictions"], PATHS["id"], "bank.json", "out.json"],
    }[stage]
    argv = [stage.__name__, "params.yaml", *command, "--backbone", "tiny"]
    monkeypatch.setattr(sys, "argv", argv)
    stage.main()


@pytest.mark.parametrize("stage", [evaluate, accuracy])
def test_tables_of_one_origin_are_taken(folder, monkeypatch, stage):
    run(monkeypatch, stage)
    assert json.loads((folder / "out.json").read_text())["backbone"] == "tiny"


@pytest.mark.parametrize(
    ("stage", "table", "changed", "message"),
    [
        (evaluate, "id", {"backbone": "big"}, "must be of the backbone 'tiny', got 'big'; score a"),
        (evaluate, "ood", {"backbone": "big"}, "must be of the backbone 'tiny', got 'big'; score"),
        (evaluate, "ood", {"dataset": "digits"}, "must be of the dataset 'greek', got 'digits'"),
        (evaluate, "id", {"dataset": "train"}, "must be of the dataset 'test', got 'train'; sco"),
        (evaluate, "ood", {"detector": "e" * 64}, "of dddddddddddd and .* of eeeeeeeeeeee; sco"),
        (accuracy, "id", {"backbone": "big"}, "must be of the backbone 'tiny', got 'big'"),
        (accuracy, "predictions", {"dataset": "val"}, "must be of the dataset 'test', got 'val'"),
        (accuracy, "predictions", {"detector": "e" * 64}, "must come from one detector, but"),
        (evaluate, "ood", {"methods": {"knn_1": {"score": "knn", "k": 2}}}, "differ in knn_1; sc"),
        (evaluate, "id", {"detector": None}, "of which detector it is, got None; score again"),
        (evaluate, "ood", {"backbone": 3}, "of which backbone it is, got 3; score again"),
    ],
)
def test_a_mix_is_refused(folder, monkeypatch, stage, table, changed, message):
    write(folder, table, **changed)
    with pytest.raises(ValueError, match=message) as caught:
        run(monkeypatch, stage)
    assert PATHS[table] in str(caught.value)
    assert "`dvc repro -f score@tiny-" in str(caught.value)
    assert ("score@tiny-test score@tiny-greek`" in str(caught.value)) == (
        stage is evaluate and (changed.get("detector") or changed.get("methods")) is not None
    )
    assert not (folder / "out.json").exists()


def test_the_accuracy_record_tells_what_its_numbers_rest_on(folder, monkeypatch):
    """Weights, bank, detector, settings and versions, but neither commit nor time nor path."""
    run(monkeypatch, accuracy)
    origin = json.loads((folder / "out.json").read_text())["origin"]

    assert origin == {
        "model": {"loader": "timm", "name": "tiny_net", "sha256": "w" * 64},
        "features": {
            "space": "features", "width": 96, "dtype": "float16", "precision": "float32",
            "device": "cpu",
        },
        "bank": BANK,
        "detector": "d" * 64,
        "methods": ORIGIN["methods"],
        "versions": {"torch": "2.15.0"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("record", "model"),
    [
        (
            {"loader": "open_clip", "sha256": "w", "name": "B-32", "entry": {"pretrained": "o"}},
            {"loader": "open_clip", "sha256": "w", "name": "B-32", "pretrained": "o"},
        ),
        (
            {"loader": "timm", "sha256": "w", "entry": {"name": "r", "finetune": {"start": "s"}}},
            {"loader": "timm", "sha256": "w", "name": "r", "made_here": "finetune", "start": "s"},
        ),
        (
            {"loader": "open_clip", "sha256": "w", "entry": {"pretrain": {"steps": 3}}},
            {"loader": "open_clip", "sha256": "w", "made_here": "pretrain"},
        ),
    ],
)
def test_a_model_is_named_with_what_made_it(record, model):
    about = ORIGIN | {"dataset": "test"}

    assert record_origin(about, PROVENANCE | {"record": record})["model"] == model


def test_imported_features_are_named_by_their_file_and_rows():
    told = {"key": BANK["key"], "key_parts": {"rows": "r" * 64}, "imported_from": "x.npy"}

    model = record_origin(ORIGIN | {"dataset": "test"}, told)["model"]

    assert model == {"loader": "features", "name": "x.npy", "sha256": "r" * 64}


def test_provenance_of_another_bank_is_refused():
    about = ORIGIN | {"dataset": "test"}
    with pytest.raises(ValueError, match="on the bank bbbbbbbbbbbb, but the provenance is of cccc"):
        record_origin(about, PROVENANCE | {"key": "c" * 64})
    with pytest.raises(ValueError, match="must name its bank .*; score again: .* score@tiny-test"):
        record_origin({**about, "bank": None}, PROVENANCE)


def test_recalls_of_both_sides_stand_in_the_evaluation(folder, monkeypatch):
    """Exact searches leave the record as it was; one side alone is a mix."""
    run(monkeypatch, evaluate)
    assert "recall" not in json.loads((folder / "out.json").read_text())
    write(folder, "ood", recall={"knn_1": {"k": 5, "share": 0.9}})
    with pytest.raises(ValueError, match="only one has approximate neighbours under knn_1; score"):
        run(monkeypatch, evaluate)
    write(folder, "id", recall={"knn_1": {"k": 5, "share": 0.98}})
    run(monkeypatch, evaluate)

    found = json.loads((folder / "out.json").read_text())["recall"]
    assert found == {"knn_1": {"k": 5, "id": 0.98, "ood": 0.9}}


def test_a_table_that_does_not_say_what_it_is_of_is_refused(folder):
    path = folder / PATHS["id"]
    write_scores(path, {"knn_1": np.ones(3)})
    with pytest.raises(ValueError, match="of which backbone it is, got None; .* score@tiny-test`"):
        check_origins({path: "test"}, backbone="tiny")


def test_broken_metadata_is_named(folder):
    path = folder / PATHS["id"]
    pl.read_parquet(path).write_parquet(path, metadata={"about": "{"})
    with pytest.raises(
        ValueError, match="'about' in the metadata of .* a mapping in JSON, got '{'"
    ):
        read_origin(path)


def test_what_a_table_says_of_itself_comes_back(folder):
    path = folder / "scores/tiny/x.parquet"
    about = ORIGIN | {"dataset": "x", "recall": {"knn_1": {"k": 5, "share": 0.98}}}
    write_scores(path, {"knn_1": np.ones(3)}, not_applicable={"mcm": "no text"}, about=about)
    assert read_origin(path) == about
    assert read_scores(path)[1] == {"mcm": "no text"}
    again = dict(reversed(about.items()))
    write_scores(
        path.with_stem("y"), {"knn_1": np.ones(3)}, not_applicable={"mcm": "no text"}, about=again
    )
    assert path.read_bytes() == path.with_stem("y").read_bytes()


def test_metadata_in_any_order_is_the_same_bytes(tmp_path):
    frame = pl.DataFrame({"row": [0]})
    write_table(tmp_path / "a", frame, {"x": 1, "y": {"b": 2, "a": 1}})
    write_table(tmp_path / "b", frame, {"y": {"a": 1, "b": 2}, "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
