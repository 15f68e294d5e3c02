"""The evaluation record and its stage: values from the library, loud where inputs disagree."""

import json

import numpy as np
import polars as pl
import pytest

from pipeline.datasets.index import write_index
from pipeline.json_text import write_json
from pipeline.statistics.bootstrap import bootstrap, percentile_interval
from pipeline.statistics.delong import delong_interval, delong_test
from pipeline.statistics.evaluation import evaluation_record
from pipeline.statistics.evaluation_files import evaluate_files
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.statistics.metrics import all_metrics, class_breakdown
from pipeline.statistics.replicates import restored
from pipeline.tables import write_scores

NO_TEXT = "backbone 'plain' has no text tower"
PARAMS = EvaluateParams(
    resamples=160, replicates=120, compare=(("lp_msp", "knn_1"), ("mcm", "knn_1"))
)


def two_sets(n=80, m=50):
    rng = np.random.default_rng(0)
    scores_id = {"knn_1": rng.normal(1, 1, n), "lp_msp": rng.normal(2, 1, n)}
    scores_ood = {name: rng.normal(0, 1, m).round(1) for name in scores_id}
    return scores_id, scores_ood


def record_of(scores_id, scores_ood, params=PARAMS, names=None, **changed):
    return evaluation_record(
        scores_id,
        scores_ood,
        params=params,
        class_names=names or [("alpha", "beta")[i % 2] for i in range(50)],
        **{
            "backbone": "mini_s",
            "id_name": "capitals_test",
            "ood_name": "greek",
            "not_applicable": {"mcm": NO_TEXT},
        }
        | changed,
    )


def test_the_record_holds_what_the_library_computes():
    scores_id, scores_ood = two_sets()
    record = record_of(scores_id, scores_ood)
    replicates = bootstrap(
        scores_id, scores_ood, id_name="capitals_test", ood_name="greek", resamples=160
    )

    assert (record["n_id"], record["n_ood"], record["id"]) == (80, 50, "capitals_test")
    assert list(record["methods"]) == ["knn_1", "lp_msp"]
    for method, cells in record["methods"].items():
        pair = scores_id[method], scores_ood[method]
        assert {name: cell["value"] for name, cell in cells.items()} == all_metrics(*pair)
        for name, cell in cells.items():
            assert (cell["low"], cell["high"]) == percentile_interval(replicates[method][name])
        assert (cells["auroc"]["delong_low"], cells["auroc"]["delong_high"]) == delong_interval(
            *pair
        )
        np.testing.assert_allclose(
            restored(record["replicates"][method]["fpr95"]),
            replicates[method]["fpr95"][:120],
            atol=5e-5,
        )
        assert record["classes"][method] == class_breakdown(
            *pair, [("alpha", "beta")[i % 2] for i in range(50)]
        )
        assert sum(record["histogram"][method]["id"]) == 80
        assert len(record["histogram"][method]["edges"]) == 41
        assert record["roc"][method]["tpr"][-1] == 1


def test_comparisons_are_paired_tests_of_what_applies():
    scores_id, scores_ood = two_sets()
    comparisons = record_of(scores_id, scores_ood)["comparisons"]
    test = delong_test(*((scores_id[name], scores_ood[name]) for name in ("lp_msp", "knn_1")))

    assert list(comparisons) == ["lp_msp-knn_1"]
    entry = comparisons["lp_msp-knn_1"]
    assert (entry["difference"], entry["p"]) == (test.difference, max(test.p, 1e-6))
    assert entry["difference"] > 0 > entry["fpr95_difference"]
    assert entry["fpr95_low"] <= entry["fpr95_difference"] <= entry["fpr95_high"]


def test_no_p_value_is_zero():
    """Perfect against reversed on 50 pairs: p is 2 / 2^50, written as the least that is shown."""
    scores_id = {"knn_1": np.arange(80.0) + 100, "lp_msp": np.arange(80.0) - 100}
    scores_ood = {name: np.arange(50.0) - 20 for name in scores_id}
    scores_ood["lp_msp"] = scores_ood["lp_msp"] + 100

    entry = record_of(scores_id, scores_ood)["comparisons"]["lp_msp-knn_1"]

    assert (entry["difference"], entry["p"]) == (-1, 1e-6)


def test_an_interval_of_perfect_scores_has_a_width():
    """80 ID images above 50 OOD: no resample changes 1.0, but 0.025^(1/50) = 0.929 is possible."""
    scores = {"knn_1": np.arange(80.0) + 100}, {"knn_1": np.arange(50.0)}

    cell = record_of(*scores, params=EvaluateParams(resamples=100, replicates=100))["methods"][
        "knn_1"
    ]

    assert (cell["auroc"]["low"], cell["auroc"]["high"]) == pytest.approx((0.9289, 1), abs=1e-4)
    assert cell["auroc"]["delong_low"] == cell["auroc"]["low"]


def test_every_interval_holds_its_value():
    """Of a low level percentiles are next to the replicates' median, above or below the value."""
    scores, params = two_sets(), EvaluateParams(resamples=100, replicates=100, level=0.01)
    drawn = bootstrap(*scores, id_name="capitals_test", ood_name="greek", resamples=100)
    sides = set()
    for method, cells in record_of(*scores, params=params)["methods"].items():
        for name, cell in cells.items():
            low, high = percentile_interval(drawn[method][name], level=0.01)
            sides |= {(low > cell["value"]) - (high < cell["value"])}
            assert cell["low"] <= cell["value"] <= cell["high"]

    assert {1, -1} <= sides


def test_constant_scores_are_flagged():
    scores_id, scores_ood = two_sets()
    scores_id["knn_1"], scores_ood["knn_1"] = np.ones(80), np.ones(50)
    record = record_of(scores_id, scores_ood)

    assert record["constant"] == ["knn_1"]
    assert record["methods"]["knn_1"]["auroc"]["value"] == 0.5
    assert record["methods"]["knn_1"]["fpr95"]["value"] == 1.0


def test_one_class_has_no_breakdown():
    assert "classes" not in record_of(*two_sets(), names=["omega"] * 50)


def test_the_breakdown_can_be_kept_short():
    params = EvaluateParams(resamples=100, replicates=100, class_methods=["knn_1"])

    assert list(record_of(*two_sets(), params=params)["classes"]) == ["knn_1"]


def test_a_record_of_reasons_only():
    record = record_of({}, {}, params=EvaluateParams())

    assert record["methods"] == {}
    assert record["not_applicable"] == {"mcm": NO_TEXT}


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match=r"unknown method 'knn_2'; known: knn_1, lp_msp, mcm"):
        record_of(*two_sets(), params=EvaluateParams(compare=(("knn_2", "mcm"),)))


def test_sets_scored_differently_are_refused():
    scores_id, scores_ood = two_sets()
    del scores_ood["lp_msp"]

    with pytest.raises(ValueError, match="same methods, only one has lp_msp"):
        record_of(scores_id, scores_ood)


def test_impossible_parameters_are_refused():
    with pytest.raises(ValueError, match=r"replicates must be at most .*resamples = 150, got 200"):
        EvaluateParams(resamples=150)
    with pytest.raises(ValueError, match="pairs of methods"):
        EvaluateParams(compare=(("mcm",),))


@pytest.mark.parametrize("few", [-1, 0, 1, 2, 5, 99])
def test_too_few_draws_for_an_interval_are_refused(few):
    """Claim c's p-value was 1e-6 with one draw and 0.004 with five where it is 0.2 with 200."""
    for options in ({"replicates": few}, {"resamples": few, "replicates": few}):
        name = next(iter(options))
        with pytest.raises(ValueError, match=rf"{name} must be at least 100, got {few}; with"):
            EvaluateParams(**options)

    assert EvaluateParams(resamples=100, replicates=100).replicates == 100


def write_world(folder, n_ood=50, indexed=50):
    scores_id, scores_ood = two_sets(m=n_ood)
    write_scores(folder / "capitals_test.parquet", scores_id, not_applicable={"mcm": NO_TEXT})
    write_scores(folder / "greek.parquet", scores_ood, not_applicable={"mcm": NO_TEXT})
    index = pl.DataFrame(
        {
            "row": None,
            "path": [f"{i}.png" for i in range(indexed + 1)],
            "label": -1,
            "class_name": [("alpha", "beta")[i % 2] for i in range(indexed + 1)],
            "sha256": None,
            "error": [*([None] * indexed), "no image"],
        }
    )
    write_index(folder / "index.parquet", index)
    return tuple(folder / f"{name}.parquet" for name in ("capitals_test", "greek", "index"))


def test_the_stage_reads_what_scoring_wrote(tmp_path):
    record = evaluate_files(*write_world(tmp_path), PARAMS, backbone="mini_s", dataset="greek")

    assert record == record_of(*two_sets())


def test_the_record_is_the_same_bytes_twice(tmp_path):
    paths = write_world(tmp_path)
    for name in ("a", "b"):
        write_json(
            tmp_path / name, evaluate_files(*paths, PARAMS, backbone="mini_s", dataset="greek")
        )

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text())["methods"]["knn_1"]["auroc"]["low"] > 0


def test_scores_of_another_index_are_refused(tmp_path):
    paths = write_world(tmp_path, n_ood=49)

    with pytest.raises(ValueError, match=r"score the 50 images of .*, got 49 scores of 'knn_1'"):
        evaluate_files(*paths, PARAMS, backbone="mini_s", dataset="greek")
