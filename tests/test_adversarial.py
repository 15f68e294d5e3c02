"""Judging an attack: pairs of clean and crafted images under every score."""

import json
import sys

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from pipeline.attacks.judging import Resampling, compare, curve, knn_without
from pipeline.datasets.index import SCHEMA, write_index
from pipeline.json_text import json_text
from pipeline.scores.knn import neighbour_counts
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.statistics.metrics import auroc, fpr_at_tpr
from pipeline.storage.write_store import write_store
from pipeline.tables import write_scores
from stages import adversarial

DRAWS = Resampling(id_name="id", ood_name="ood", resamples=200)


def test_a_crafted_image_above_every_id_image_by_hand():
    """Clean images lie below all four ID images, crafted ones above them: AUROC 1 becomes 0."""
    scores_id = {"knn_1": np.array([1.0, 2.0, 3.0, 4.0])}
    table = compare(scores_id, {"knn_1": np.zeros(3)}, {"knn_1": np.full(3, 9.0)}, DRAWS)
    of_auroc, of_fpr = table["knn_1"]["auroc"], table["knn_1"]["fpr95"]
    assert (of_auroc["clean"], of_auroc["crafted"], of_auroc["change"]) == (1.0, 0.0, -1.0)
    assert (of_fpr["clean"], of_fpr["crafted"], of_fpr["change"]) == (0.0, 1.0, 1.0)
    unseen = 1 - 0.025 ** (1 / 3)  # of three images none behaved otherwise
    assert (of_auroc["low"], of_auroc["high"]) == pytest.approx((-1, -1 + 2 * unseen))
    assert (of_fpr["low"], of_fpr["high"]) == pytest.approx((1 - 2 * unseen, 1))


def test_values_agree_with_the_metrics_and_equal_images_do_not_change():
    rng = np.random.default_rng(0)
    scores_id, clean = {"mcm": rng.normal(1, 1, 80)}, {"mcm": rng.normal(0, 1, 60)}
    crafted = {"mcm": clean["mcm"] + rng.normal(0.5, 0.1, 60)}
    table = compare(scores_id, clean, crafted, DRAWS)["mcm"]
    assert table["auroc"]["clean"] == auroc(scores_id["mcm"], clean["mcm"])
    assert table["fpr95"]["crafted"] == fpr_at_tpr(scores_id["mcm"], crafted["mcm"])
    assert table["auroc"]["low"] < table["auroc"]["change"] < table["auroc"]["high"] < 0

    same = compare(scores_id, clean, clean, DRAWS)["mcm"]["auroc"]
    unseen = 1 - 0.025 ** (1 / 60)  # none of sixty images moved, another might
    assert (same["change"], same["low"], same["high"]) == pytest.approx((0, -unseen, unseen))


def test_an_almost_complete_change_is_no_surer_than_a_complete_one():
    """One crafted image of 40 stays below one ID image: the AUROC falls to nearly 0, not to 0."""
    scores_id, clean = {"a": np.arange(50.0)}, {"a": np.arange(40.0) - 100}
    complete = compare(scores_id, clean, {"a": clean["a"] + 200}, DRAWS)["a"]["auroc"]
    crafted = {"a": np.r_[clean["a"][:-1] + 200, 48.5]}
    nearly = compare(scores_id, clean, crafted, DRAWS)["a"]["auroc"]
    assert -1 == complete["change"] < nearly["change"] < -0.99
    assert nearly["high"] >= complete["high"] > -1


def test_the_interval_is_of_pairs_and_narrower_than_of_strangers():
    rng = np.random.default_rng(1)
    scores_id, clean = {"a": rng.normal(1, 1, 200)}, {"a": rng.normal(0, 1, 100)}
    crafted = {"a": clean["a"] + 0.2}
    paired = compare(scores_id, clean, crafted, DRAWS)["a"]["auroc"]
    shuffled = {"a": rng.permutation(crafted["a"])}
    strangers = compare(scores_id, clean, shuffled, DRAWS)["a"]["auroc"]
    assert paired["change"] == pytest.approx(strangers["change"])
    assert paired["high"] - paired["low"] < 0.5 * (strangers["high"] - strangers["low"])


def test_different_numbers_of_clean_and_crafted_images_are_refused():
    with pytest.raises(ValueError, match="'a' scores 3 clean and 2 crafted"):
        compare({"a": np.arange(4.0)}, {"a": np.arange(3.0)}, {"a": np.arange(2.0)}, DRAWS)


def test_without_its_target_a_query_falls_to_the_next_bank_row():
    bank = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    queries = {"crafted": np.array([[5, 0]], dtype=np.float32)}
    whole = knn_without(queries, bank, left_out=np.array([], dtype=np.int64), ks=[1, 2])
    rest = knn_without(queries, bank, left_out=np.array([0]), ks=[1, 2, 50])
    np.testing.assert_allclose(whole["crafted"]["knn_1"], [1.0], atol=1e-6)
    np.testing.assert_allclose(rest["crafted"]["knn_1"], [np.sqrt(0.5)], atol=1e-6)
    np.testing.assert_allclose(rest["crafted"]["knn_2"], [0.0], atol=1e-6)
    assert set(rest["crafted"]) == {"knn_1", "knn_2"}


def test_the_curve_follows_the_features():
    """At step 0 the images look away from the bank, at the last step straight at it."""
    bank = np.array([[1, 0]], dtype=np.float32)
    steps = {
        "steps": np.array([0, 5]),
        "features": np.array([[[-1, 0], [0, 1]], [[1, 0], [2, 0]]], dtype=np.float32),
        "objective": np.array([[-1, 0], [1, 1]], dtype=np.float32),
        "l2": np.array([[0, 0], [1, 3]], dtype=np.float32),
        "linf": np.array([[0, 0], [0.1, 0.1]], dtype=np.float32),
    }
    found = curve(steps, np.array([0.5, 0.6]), bank)
    assert found["auroc"] == [1.0, 0.0]
    assert (found["steps"], found["l2"], found["objective"]) == ([0, 5], [0.0, 2.0], [-0.5, 1.0])


def write_set(folder, name, features, methods):
    n = len(features)
    write_store(folder / f"{name}.zarr", features, np.zeros(n, np.int32), {"backbone": "b"})
    about = {"backbone": "b", "dataset": name, "detector": "d"}
    write_scores(folder / f"{name}.parquet", methods(features), about=about)


def test_the_stage_reads_pairs_from_the_index(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    bank = rng.normal([4, 0, 0, 0], 1, (30, 4)).astype(np.float32)
    clean = rng.standard_normal((12, 4)).astype(np.float32)
    sources, targets = np.array([1, 5, 7]), np.array([3, 2, 9])
    crafted = bank[targets] + 0.01

    def methods(features):
        unit, unit_bank = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (features, bank))
        return {"knn_1": (unit @ unit_bank.T).max(1).astype(float), "first": features[:, 0]}

    sets = {"bank": bank, "capitals": bank + 0.3, "greek": clean, "smooth": crafted}
    for name, features in sets.items():
        write_set(tmp_path, name, features.astype(np.float32), methods)
    index = pl.DataFrame(
        [(i, f"{i}.png", 0, "x", None, None) for i in range(3)], schema=SCHEMA, orient="row"
    ).with_columns(
        source_row=pl.Series(sources),
        target_row=pl.Series(targets),
        surrogate=pl.lit("b"),
        attack=pl.lit("smooth"),
        smoothness=5e3,
        steps=250,
        **{name: pl.lit(0.5) for name in ("cosine_float", "cosine", "psnr", "ssim", "l2", "linf")},
        **{name: pl.lit(0.5) for name in ("objective_float", "objective")},
    )
    write_index(tmp_path / "index.parquet", index)
    arrays = {name: np.zeros((1, 3), np.float32) for name in ("objective", "l2", "linf")}
    steps = {"steps": np.array([250]), "features": crafted[None].astype(np.float32)}
    save_file(arrays | steps, tmp_path / "steps.safetensors")
    paths = {
        "id_scores": tmp_path / "capitals.parquet",
        "clean_scores": tmp_path / "greek.parquet",
        "crafted_scores": tmp_path / "smooth.parquet",
        "crafted_index": tmp_path / "index.parquet",
        "bank_store": tmp_path / "bank.zarr",
        "id_store": tmp_path / "capitals.zarr",
        "clean_store": tmp_path / "greek.zarr",
        "crafted_store": tmp_path / "smooth.zarr",
        "steps": tmp_path / "steps.safetensors",
    }
    params = EvaluateParams(resamples=100, replicates=100)

    record = adversarial.run(paths, params, backbone="b", dataset="smooth", ks=[1])

    id_first, clean_first = (
        methods(sets[n].astype(np.float32))["first"] for n in ("capitals", "greek")
    )
    assert record["methods"]["first"]["auroc"]["clean"] == pytest.approx(
        auroc(id_first.astype(float), clean_first[sources].astype(float)), abs=1e-6
    )
    assert record["methods"]["knn_1"]["auroc"]["crafted"] < 0.1
    assert (
        record["without_targets"]["knn_1"]["auroc"]["crafted"]
        > record["methods"]["knn_1"]["auroc"]["crafted"]
    )
    assert record["curve"]["auroc"] == [record["methods"]["knn_1"]["auroc"]["crafted"]]
    assert json.loads(json_text(record))["surrogate"] == "b"
    other = adversarial.run(paths, params, backbone="other", dataset="smooth", ks=[1])
    assert "curve" not in other

    table = {"knn": {"score": "knn", "k": 1}, "first": {"score": "mcm"}}
    (tmp_path / "methods.json").write_text(json.dumps(table))
    section = {"resamples": 100, "replicates": 100, "compare": []}
    (tmp_path / "evaluate.json").write_text(json.dumps({"evaluate": section}))
    names = ("evaluate.json", "methods.json", *paths.values(), "evaluation.json", "out.json")
    monkeypatch.setattr(sys, "argv", ["adversarial", "b", "smooth", *map(str, names)])
    monkeypatch.chdir(tmp_path)
    adversarial.main()
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    written = json.loads((tmp_path / "out.json").read_text())
    assert evaluation["dataset"] == "smooth"
    crafted_first = methods(sets["smooth"].astype(np.float32))["first"]
    assert evaluation["methods"]["first"]["auroc"]["value"] == pytest.approx(
        auroc(id_first.astype(float), crafted_first.astype(float)), abs=1e-6
    )
    assert written["methods"]["knn_1"] == json.loads(json_text(record["methods"]["knn_1"]))


def test_neighbour_counts_come_from_the_methods_table():
    table = {
        "knn": {"score": "knn", "k": [1, 10]},
        "mcm": {"score": "mcm"},
        "k5": {"score": "knn", "k": 5},
    }
    assert neighbour_counts(table) == [1, 5, 10]
