"""Features computed elsewhere, from the files to the evaluation, by the stages themselves."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from pipeline.detectors.detector import read_detector
from pipeline.geometry import unit_norm
from pipeline.params import load_params
from pipeline.statistics.evaluation_files import evaluate_files
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.storage.store import read_arrays, read_features
from pipeline.tables import read_scores, write_predictions, write_scores
from stages import encode_text, extract, fit, index, probe, pseudo_label, record_weights
from stages import score as score_stage

CLASSES, WIDTH, JOINT = 4, 16, 8
METHODS = {
    "mcm": {"score": "mcm", "temperature": 1.0},
    "plp_msp": {"score": "msp", "head": "plp"},
    "lp_energy": {"score": "energy", "head": "lp", "temperature": 1.0},
    "knn": {"score": "knn", "k": [1, 10]},
    "mahalanobis": {"score": "mahalanobis", "gaussians": "labels"},
}
PATHS = {
    "index": "data/index/{}.parquet",
    "store": "data/features/theirs/{}.zarr",
    "provenance": "data/features/theirs/{}.provenance.json",
    "scores": "data/scores/theirs/{}.parquet",
}


@pytest.fixture
def files(tmp_path):
    """Rows around four centres and rows from elsewhere; labels, text vectors and a projection."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(CLASSES, WIDTH))
    projection = rng.normal(size=(WIDTH, JOINT)).astype(np.float32)
    sets = {}
    for name, count in (("train", 240), ("test", 80)):
        labels = np.arange(count) % CLASSES
        sets[name] = (centres[labels] + rng.normal(size=(count, WIDTH))).astype(np.float32)
        np.save(tmp_path / f"{name}.npy", sets[name])
        np.save(tmp_path / f"{name}_labels.npy", labels)
    sets["strange"] = 3 * rng.normal(size=(60, WIDTH)).astype(np.float32)
    np.save(tmp_path / "strange.npy", sets["strange"])
    np.save(tmp_path / "projection.npy", projection)
    np.save(tmp_path / "classes.npy", (centres @ projection).astype(np.float32))
    return tmp_path, sets


def write_params(folder: Path, **model: object) -> None:
    """Write what conf/benchmark/features.yaml composes, for three small sets."""
    names = ("train", "test", "strange")
    conf = yaml.safe_load((Path(__file__).parents[1] / "conf/methods.yaml").read_text())
    labelled = {
        name: {
            "source": "features",
            "path": f"{folder}/{name}.npy",
            "labels": f"{folder}/{name}_labels.npy",
        }
        for name in names[:2]
    }
    params = {
        "data_root": None,
        "benchmark": {"id_train": "train", "id_test": "test", "class_names": list("abcd")},
        "datasets": labelled
        | {"strange": {"source": "features", "path": f"{folder}/strange.npy", "classes": False}},
        "models": {
            "theirs": {
                "loader": "features",
                "files": {name: f"{folder}/{name}.npy" for name in names},
                **model,
            }
        },
        "images": {},
        "index": {},
        "extract": {"device": "cpu"},
        "text": {"prompts": "plp5"},
        "pseudo_label": {},
        "probe": {"epochs": 40, "batch_size": 64, "learning_rate": 0.02, "device": "cpu"},
        "fit": conf["fit"],
        "evaluate": {"resamples": 100, "replicates": 100},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def path(kind: str, name: str) -> str:
    return PATHS[kind].format(name)


def run_stages(monkeypatch, folder: Path) -> None:
    """Run index to fit as the command lines of dvc.yaml do."""

    def call(stage, *arguments):
        monkeypatch.setattr(sys, "argv", [stage.__name__, *arguments])
        stage.main()

    monkeypatch.chdir(folder)
    call(record_weights, "theirs", "weights")
    for name in ("train", "test", "strange"):
        call(index, name, path("index", name))
        paths = [path(kind, name) for kind in ("index", "store", "provenance")]
        call(extract, "theirs", name, "params.yaml", paths[0], "weights", *paths[1:])
    bank, pseudo = path("store", "train"), "pseudo.parquet"
    call(encode_text, "theirs", "params.yaml", "weights", path("index", "train"), "text.zarr")
    call(pseudo_label, bank, "text.zarr", pseudo, "pseudo.json")
    call(probe, bank, pseudo, "text.zarr", "heads", "weights")
    call(fit, bank, "text.zarr", pseudo, "heads", "detector")


def score_and_evaluate(folder: Path, name: str) -> dict:
    """Score ID test and one other set; return the evaluation record."""
    detector = read_detector(folder / "detector")
    for dataset in ("test", name):
        scores, predictions, labels, reasons, absent, _ = score_stage.run(
            detector, Path(path("store", "train")), Path(path("store", dataset)), METHODS
        )
        write_scores(Path(path("scores", dataset)), scores, not_applicable=reasons)
        write_predictions(
            folder / f"{dataset}_predictions.parquet", predictions, labels, not_applicable=absent
        )
    params = load_params("evaluate", EvaluateParams)
    return evaluate_files(
        Path(path("scores", "test")),
        Path(path("scores", name)),
        Path(path("index", name)),
        params,
        backbone="theirs",
        dataset=name,
    )


def auroc(of_id: np.ndarray, of_ood: np.ndarray) -> float:
    """By definition, over all pairs."""
    difference = of_id[:, None] - of_ood[None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def test_from_npy_files_to_the_evaluation(files, monkeypatch):
    folder, sets = files
    write_params(
        folder,
        class_embeddings=f"{folder}/classes.npy",
        projection=f"{folder}/projection.npy",
        logit_scale=100.0,
    )

    run_stages(monkeypatch, folder)
    record = score_and_evaluate(folder, "strange")

    stored = read_features(Path(path("store", "test")))
    rows = sets["test"].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(stored.features, rows)
    np.testing.assert_array_equal(stored.labels, np.arange(80) % CLASSES)
    assert (stored.attributes["norm"], stored.attributes["space"]) == ("raw", "features")
    told = json.loads(Path(path("provenance", "test")).read_text(encoding="utf-8"))
    assert told["imported_from"] == f"{folder}/test.npy"
    assert told["key"] == stored.attributes["key"]

    arrays, _ = read_arrays(folder / "text.zarr")
    np.testing.assert_array_equal(arrays["projection"], np.load(folder / "projection.npy"))
    np.testing.assert_allclose(np.linalg.norm(arrays["class_embeddings"], axis=1), 1, rtol=1e-6)
    bank = read_features(Path(path("store", "train"))).features
    cosines = unit_norm(bank @ arrays["projection"]) @ arrays["class_embeddings"].T
    pseudo = pl.read_parquet(folder / "pseudo.parquet")["pseudo_label"].to_numpy()
    np.testing.assert_array_equal(pseudo, cosines.argmax(axis=1))
    assert (pseudo == np.arange(240) % CLASSES).mean() > 0.9

    of_id, reasons = read_scores(Path(path("scores", "test")))
    of_ood, _ = read_scores(Path(path("scores", "strange")))
    assert reasons == {}
    assert sorted(of_id) == ["knn_1", "knn_10", "lp_energy", "mahalanobis", "mcm", "plp_msp"]
    nearest = (unit_norm(rows) @ unit_norm(bank).T).max(axis=1)
    np.testing.assert_allclose(of_id["knn_1"], nearest, atol=2e-5)
    for method in of_id:
        found = record["methods"][method]["auroc"]
        value = found["value"] if isinstance(found, dict) else found
        assert value == pytest.approx(auroc(of_id[method], of_ood[method]), abs=1e-6)
        assert value > 0.5, method


def test_without_text_files_only_text_methods_are_missing(files, monkeypatch):
    folder, _ = files
    write_params(folder)

    run_stages(monkeypatch, folder)
    record = score_and_evaluate(folder, "strange")

    assert sorted(record["methods"]) == ["knn_1", "knn_10", "lp_energy", "mahalanobis"]
    assert sorted(record["not_applicable"]) == ["mcm", "plp_msp"]
