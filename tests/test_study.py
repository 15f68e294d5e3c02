"""The study on made-up scores: means and differences are joint, claims are honest."""

import json
import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipeline.findings.cells import Cell
from pipeline.findings.claim_line import line_claim
from pipeline.findings.claims import claims_table
from pipeline.findings.fine_tuning import fine_tuning_table
from pipeline.findings.holm_verdict import verdict
from pipeline.findings.line_table import lines_table
from pipeline.findings.study_numbers import study_numbers
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import read_study
from pipeline.findings.study_scope import StudyScope
from pipeline.findings.study_tables import (
    adversarial_table,
    comparisons_table,
    paired,
    results_table,
)
from pipeline.json_text import read_json, write_json
from pipeline.statistics.accuracy import accuracy_record
from pipeline.statistics.bootstrap import bootstrap, percentile_interval
from pipeline.statistics.evaluation import evaluation_record
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.statistics.multiple_tests import holm
from pipeline.statistics.regression import fit_line
from pipeline.statistics.replicate_test import replicate_interval, replicate_p
from stages.study import read_scope, run, summary

CLAIM_C = "lp_msp of {} minus ft_msp of plain"
NO_TEXT = "backbone 'plain' has no text tower"
EVALUATE = EvaluateParams(resamples=100, replicates=100, compare=(("plp_msp", "mcm"),))
QUALITY = {"mini_s": 0.8, "mini_m": 1.4, "mini_l": 2.2, "mini_x": 2.6, "plain": 1.0}
SETS = {"greek": 60, "digits": 50, "smooth": 40}
SCOPE = StudyScope(
    benchmark="glyphs",
    backbones=("mini_s", "mini_m", "mini_l", "plain"),
    id_test="capitals_test",
    ood=("greek", "digits"),
    crafted={"smooth": "greek"},
    means={"near": ("greek",)},
)
PARAMS = StudyParams(family=[], clip=["mini_s", "mini_m", "mini_l", "mini_x"])


def made_up_scores(backbone, dataset, n):
    """Better backbones and PLP separate more; crafted images look in-distribution to 1-NN."""
    rng = np.random.default_rng([len(backbone), ord(backbone[-1]), n])
    shift = QUALITY[backbone] if dataset == "capitals_test" else 0.0
    gains = {"knn_1": 1.0, "mcm": 0.4, "plp_msp": 0.9, "lp_msp": 0.8, "ft_msp": 0.5}
    scores = {name: rng.normal(gain * shift, 1, n) for name, gain in gains.items()}
    if dataset == "smooth":
        scores["knn_1"] = scores["knn_1"] + 3
    if backbone == "plain":
        scores = {name: scores[name] for name in ("knn_1", "lp_msp", "ft_msp")}
    return scores


def reasons(backbone):
    return {"mcm": NO_TEXT, "plp_msp": NO_TEXT} if backbone == "plain" else {}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Records of five backbones as the stages evaluate and accuracy write them."""
    root = tmp_path_factory.mktemp("reports")
    for backbone, quality in QUALITY.items():
        of_id = made_up_scores(backbone, "capitals_test", 80)
        names = {"backbone": backbone, "id_name": "capitals_test", "params": EVALUATE}
        for dataset, n in SETS.items():
            record = evaluation_record(
                of_id,
                made_up_scores(backbone, dataset, n),
                ood_name=dataset,
                class_names=["one"] * n,
                not_applicable=reasons(backbone),
                **names,
            )
            write_json(root / "evaluation" / backbone / f"{dataset}.json", record)
        attacked = {"clean": 0.9, "crafted": 0.3, "change": -0.6, "low": -0.7, "high": -0.5}
        record = {
            "backbone": backbone,
            "dataset": "smooth",
            "ood": "greek",
            "surrogate": "mini_m",
            "methods": {"knn_1": {"auroc": attacked, "fpr95": attacked}},
        }
        write_json(root / "adversarial" / backbone / "smooth.json", record)
        labels = np.arange(80) % 4
        right = np.random.default_rng(3).random(80) < 0.6 + quality / 8
        record = accuracy_record(
            {"knn_20": np.where(right, labels, -2)},
            labels,
            of_id,
            not_applicable={},
            methods_not_applicable=reasons(backbone),
            **names,
        )
        write_json(root / "accuracy" / f"{backbone}.json", record)
    return root


def row(table, **keys):
    """The one row that these keys select, as a mapping."""
    return table.row(
        by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in keys.items()), named=True
    )


def replicates_of(backbone, method, metric="auroc", sets=("greek", "digits")):
    of_id = made_up_scores(backbone, "capitals_test", 80)
    return np.mean(
        [
            bootstrap(
                {method: of_id[method]},
                {method: made_up_scores(backbone, name, SETS[name])[method]},
                id_name="capitals_test",
                ood_name=name,
                resamples=100,
            )[method][metric]
            for name in sets
        ],
        axis=0,
    )


def test_the_mean_over_one_set_has_the_set_s_interval(world):
    """The record's own, of all resamples: the replicates beside it are fewer, and rounded."""
    records = read_study(world, SCOPE)
    own = records.evaluations["mini_l"]["greek"]["methods"]["knn_1"]["auroc"]

    mean = records.mean("mini_l", ("greek",), "knn_1")

    assert mean is not None
    assert (mean.value, mean.low, mean.high) == (own["value"], own["low"], own["high"])
    assert percentile_interval(mean.replicates) != (own["low"], own["high"])


def test_a_mean_is_of_per_set_metrics_with_a_joint_interval(world):
    results = results_table(read_study(world, SCOPE))
    per_set = [
        row(results, backbone="mini_s", dataset=name, method="knn_1", metric="auroc")["value"]
        for name in SCOPE.ood
    ]

    mean = row(results, backbone="mini_s", dataset="mean", method="knn_1", metric="auroc")

    assert mean["value"] == pytest.approx(np.mean(per_set), abs=2e-6)
    assert (mean["low"], mean["high"]) == pytest.approx(
        percentile_interval(replicates_of("mini_s", "knn_1")), abs=1e-4
    )
    assert mean["n"] == 2
    near = row(results, backbone="mini_s", dataset="mean_near", method="knn_1", metric="fpr95")
    assert near["value"] == pytest.approx(
        row(results, backbone="mini_s", dataset="greek", method="knn_1", metric="fpr95")["value"]
    )


def test_the_long_table_holds_everything_once(world):
    results = results_table(read_study(world, SCOPE))
    keys = ["backbone", "dataset", "method", "metric"]

    assert results.select(keys).is_duplicated().sum() == 0
    assert results.equals(results.sort(keys))
    assert set(results["dataset"]) == {*SETS, "mean", "mean_near", "capitals_test"}
    accuracy = row(results, backbone="plain", dataset="capitals_test", method="knn_20")
    assert (accuracy["metric"], accuracy["n"]) == ("accuracy", 80)
    assert results.filter((pl.col("backbone") == "plain") & (pl.col("method") == "mcm")).is_empty()
    auroc = results.filter(backbone="mini_l", method="knn_1", metric="auroc")
    sizes = dict(auroc.select("dataset", "n").iter_rows())
    assert sizes == {**SETS, "mean": 2, "mean_near": 1}


def test_delong_s_interval_stands_beside_the_bootstrap_s(world):
    """Of the sets alone: a mean has none."""
    results = results_table(read_study(world, SCOPE)).filter(metric="auroc_delong")
    record = read_json(world / "evaluation" / "mini_s" / "greek.json")
    cell = record["methods"]["knn_1"]["auroc"]

    found = row(results, backbone="mini_s", dataset="greek", method="knn_1")

    assert found["n"] == SETS["greek"]
    assert [found[name] for name in ("value", "low", "high")] == pytest.approx(
        [cell["value"], cell["delong_low"], cell["delong_high"]], abs=1e-6
    )
    assert cell["delong_low"] != cell["low"]
    assert set(results["dataset"]) == set(SETS)


def test_differences_are_paired(world):
    cell = paired(read_study(world, SCOPE), "mini_m", SCOPE.ood, "plp_msp", "mcm")
    expected = replicates_of("mini_m", "plp_msp") - replicates_of("mini_m", "mcm")

    np.testing.assert_allclose(cell.replicates, expected, atol=2e-4)
    assert cell.low < cell.value < cell.high
    assert cell.value > 0


def test_one_number_has_one_interval_whether_of_a_set_or_of_a_mean_over_it(world):
    """Near is greek alone: DeLong's interval of the set, not percentiles of fewer draws."""
    records = read_study(world, SCOPE)
    comparisons = comparisons_table(records)
    for backbone in ("mini_s", "mini_m", "mini_l"):
        keys = {"backbone": backbone, "first": "plp_msp"}
        of_set, mean = (row(comparisons, dataset=d, **keys) for d in ("greek", "mean_near"))
        of = "difference", "low", "high", "fpr95_difference", "fpr95_low", "fpr95_high"
        assert [mean[name] for name in of] == [of_set[name] for name in of]
        claim = row(claims_table(records, PARAMS), claim="b", of=backbone, mean="mean_near")
        assert float(claim["low"]) == pytest.approx(100 * of_set["low"], abs=0.06)
        assert claim["interval"] == "of the paired test on the one set"

    params = StudyParams(family=[], clip=[], finetuned={"mini_s": "plain"})
    tests = fine_tuning_table(records, params)
    one = row(tests, dataset="greek", first="lp_msp")
    claim = row(claims_table(records, params), claim="c", mean="mean_near")
    assert float(claim["low"]) == pytest.approx(100 * one["low"], abs=0.06)
    assert (one["p"] < 0.05) == (not one["low"] <= 0 <= one["high"])
    drawn = records.mean("mini_s", ("greek",), "lp_msp").replicates
    drawn = drawn - records.mean("plain", ("greek",), "ft_msp").replicates
    expected = replicate_interval(one["difference"], drawn)
    assert (one["low"], one["high"]) == pytest.approx(expected, abs=2e-6)


def test_the_interval_of_a_difference_holds_it_though_replicates_are_rounded(world):
    records = read_study(world, SCOPE)
    steps = np.tile([0.0, 1e-4], 50)
    one = Cell(0.90005, 0.88, 0.92, 0.9 + steps, sets=2)
    other = Cell(0.89998, 0.87, 0.91, 0.9 - 0.0 * steps, sets=2)
    for first, second, low, high in ((one, other, 0, 1e-4), (other, one, -1e-4, 0)):
        cell = records.difference(first, second)
        assert (cell.low, cell.high) == pytest.approx((low, high), abs=1e-9)
    below = records.difference(replace(one, value=0.89994), other)
    assert below.low == below.value < 0


@pytest.mark.parametrize(("moved", "low"), [(25, None), (0, 0.93)])
def test_means_of_nearly_perfect_sets_are_no_surer_than_perfect(world, moved, low):
    """Replicates are stored in steps of 1e-4, which such a mean lies between."""
    records = deepcopy(read_study(world, SCOPE))
    for dataset in SCOPE.ood:
        record = records.evaluations["mini_s"][dataset]
        for method, value in (("mcm", 0.99986), ("knn_1", 0.99982)):
            record["methods"][method]["auroc"] |= {"value": value, "low": 0.93, "high": 1.0}
            record["replicates"][method]["auroc"] = [10000] * (100 - moved) + [9999] * moved

    one, other = (records.mean("mini_s", SCOPE.ood, method) for method in ("mcm", "knn_1"))
    difference = records.difference(one, other)

    of_perfect = 1 - np.mean([1 - 0.025 ** (1 / n) for n in (60, 50)])
    for cell in (one, other):
        assert cell.low == pytest.approx(of_perfect if low is None else low)
        assert cell.low < cell.value < cell.high
    assert difference.value == pytest.approx(4e-5)
    assert difference.low < difference.value < difference.high


def test_a_benchmark_may_say_which_sets_its_mean_counts(world):
    """A set that is a part of another would be counted twice; it is still evaluated beside it."""
    means = {"overall": ("digits",), "near": ("greek",)}
    records = read_study(world, replace(SCOPE, means=means))
    results, claims = results_table(records), claims_table(records, PARAMS)
    of = {"backbone": "mini_m", "method": "knn_1"}

    for metric in ("auroc", "fpr95", "aupr_in"):
        mean = row(results, dataset="mean", metric=metric, **of)
        counted = row(results, dataset="digits", metric=metric, **of)
        assert (mean["value"], mean["n"]) == (pytest.approx(counted["value"], abs=2e-6), 1)
    assert set(results["dataset"]) == {*SETS, "mean", "mean_near", "capitals_test"}
    assert set(comparisons_table(records)["dataset"]) == {"greek", "digits", "mean", "mean_near"}
    assert list(lines_table(records, PARAMS)["set"]) == ["mean", "mean_near", "greek", "digits"]
    assert set(study_numbers(records, PARAMS)["b"]["mini_m"]["plp_msp"]) == {"mean", "mean_near"}
    better = row(claims, claim="b", of="mini_m", mean="mean")
    assert better["on"] == "mini_m; glyphs, mean (1 of 2 OOD sets)"
    assert "of 1 (Holm" in better["p"]


def test_p_values_are_corrected_over_backbones_and_sets(world):
    comparisons = comparisons_table(read_study(world, SCOPE))
    tested = comparisons.filter(pl.col("p").is_not_null())

    assert len(tested) == 3 * 2
    assert set(tested["dataset"]) == {"greek", "digits"}
    np.testing.assert_allclose(tested["p_holm"], holm(tested["p"].to_numpy()))
    mean = row(comparisons, backbone="mini_l", dataset="mean", first="plp_msp")
    assert mean["p"] is None
    assert mean["low"] < mean["difference"] < mean["high"]


def test_the_line_goes_through_the_clip_backbones(world):
    records = read_study(world, SCOPE)
    result = line_claim(records, PARAMS, SCOPE.ood)
    x = [records.accuracy(name, "knn_20").value for name in SCOPE.backbones[:3]]
    y = [records.mean(name, SCOPE.ood, "knn_1").value for name in SCOPE.backbones[:3]]

    assert result.backbones == ("mini_s", "mini_m", "mini_l")
    assert result.line == fit_line(np.array(x), np.array(y))
    assert result.fisher is None
    assert 0 <= result.images[0] <= result.line.r2 <= result.images[1] <= 1


def test_four_backbones_have_an_interval(world):
    scope = StudyScope(
        "glyphs", ("mini_s", "mini_m", "mini_l", "mini_x"), "capitals_test", SCOPE.ood
    )
    result = line_claim(read_study(world, scope), PARAMS, scope.ood)

    assert result.fisher[0] < result.line.r2 < result.fisher[1]
    assert result.bootstrap is not None


def test_attacks_are_quoted_as_judged_on_the_same_images(world):
    records = read_study(world, SCOPE)
    attacked = row(adversarial_table(records), backbone="mini_l", method="knn_1", metric="auroc")
    on = "mini_l (transfer from mini_m); greek → smooth"
    claim = row(claims_table(records, PARAMS), claim="d", on=on)

    assert (attacked["source"], attacked["dataset"]) == ("greek", "smooth")
    assert (attacked["change"], attacked["low"], attacked["high"]) == (-0.6, -0.7, -0.5)
    assert (claim["ours"], claim["low"], claim["high"]) == ("90.0 → 30.0 (-60.0)", "-70.0", "-50.0")


def test_every_claim_is_measured_or_says_what_it_needs(world):
    claims = claims_table(read_study(world, SCOPE), PARAMS)

    assert sorted(set(claims["claim"])) == ["a", "b", "c", "d", "e"]
    assert row(claims, claim="c")["ours"] == (
        "not run: needs fine-tuned counterparts in study.finetuned"
    )
    assert all("benchmark=cifar100" in ours for ours in claims.filter(claim="e")["ours"])
    assert len(claims.filter(claim="a")) == 2
    plp = claims.filter(claim="b")
    assert list(plp.select("of", "mean").iter_rows()) == [
        (backbone, mean)
        for backbone in ("mini_s", "mini_m", "mini_l")
        for mean in ("mean", "mean_near")
    ]
    assert all(ours.startswith("+") for ours in plp["ours"])
    assert "of 2 (Holm ≤ 0.05)" in plp["p"][0]
    assert "of 1 (Holm ≤ 0.05)" in plp["p"][1]


def test_the_claimed_differences_are_over_each_named_mean(world):
    """The paper's five sets are a named mean; the mean over all sets holds others too."""
    params = replace(PARAMS, finetuned={"mini_s": "plain"})
    records = read_study(world, SCOPE)
    claims, numbers = claims_table(records, params), study_numbers(records, params)
    better = row(claims, claim="b", of="mini_m", mean="mean_near")
    tuned = row(claims, claim="c", mean="mean_near")

    for cell, found in (
        (paired(records, "mini_m", ("greek",), "plp_msp", "mcm"), better),
        (
            records.difference(
                records.mean("mini_s", ("greek",), "lp_msp"),
                records.mean("plain", ("greek",), "ft_msp"),
            ),
            tuned,
        ),
    ):
        ends = (cell.value, cell.low, cell.high)
        assert (found["ours"], found["low"], found["high"]) == tuple(
            f"{100 * x:+.1f}" for x in ends
        )
    assert better["on"] == "mini_m; glyphs, mean near (1 OOD set)"
    assert set(numbers["b"]["mini_m"]["plp_msp"]) == {"mean", "mean_near"}
    assert set(numbers["c"]["mini_s"]["lp_msp"]) == {"mean", "mean_near"}
    assert (
        f"{100 * numbers['c']['mini_s']['lp_msp']['mean_near']['difference']:+.1f}" == tuned["ours"]
    )


def test_claims_are_judged_over_the_means_that_the_study_names(world):
    """The paper's number is over certain sets; the numbers of other means stay in study.json."""
    params = replace(PARAMS, finetuned={"mini_s": "plain"}, means=("near",))
    records = read_study(world, replace(SCOPE, means={"near": ("greek",), "far": ("digits",)}))
    claims, every = (claims_table(records, p) for p in (params, replace(params, means=())))
    numbers = study_numbers(records, params)

    assert set(claims.filter(pl.col("claim").is_in(["a", "b"]))["mean"]) == {"mean_near"}
    measured = claims.filter(claim="c", mean="mean_near")
    assert len(measured) == 1
    assert len(claims) < len(every)
    shared = pl.concat([claims, every]).unique()
    assert len(shared) == len(every)  # the same rows, fewer of them
    assert set(numbers["b"]["mini_m"]["plp_msp"]) == {"mean", "mean_near", "mean_far"}
    overall = claims_table(records, replace(params, means=("overall", "far")))
    assert set(overall.filter(claim="a")["mean"]) == {"mean", "mean_far"}
    with pytest.raises(ValueError, match=r"got 'sun'; known: overall, near, far; or set .*=\[\]"):
        claims_table(records, replace(params, means=("sun",)))


def test_the_verdict_by_hand():
    """Of four sets one is better and one worse for sure, one is open and one was not tested."""
    tests = pl.DataFrame(
        {
            "dataset": ["sun", "greek", "digits", "patches"],
            "difference": [0.2, -0.2, 0.1, 0.3],
            "p_holm": [0.05, 0.01, 0.2, None],
        }
    )
    sets = ("greek", "sun", "digits", "patches")

    said = "better on 1 of 3 (Holm ≤ 0.05); worse: greek; open: digits"
    assert verdict(tests, sets, alpha=1 - 0.95) == said
    assert verdict(tests, ("digits",), alpha=1 - 0.8) == "better on 1 of 1 (Holm ≤ 0.2)"
    assert verdict(tests, ("patches",), alpha=0.05) == ""


def test_the_level_of_the_tests_is_that_of_the_intervals(world):
    records = replace(read_study(world, SCOPE), level=0.999)

    assert (
        "of 2 (Holm ≤ 0.001)" in row(claims_table(records, PARAMS), of="mini_s", mean="mean")["p"]
    )


def test_a_mean_that_no_resample_moves_keeps_the_bound_of_its_sets(world):
    """Perfect scores on both sets: [1, 1] is no interval, the mean of the sets' bounds is."""
    records = deepcopy(read_study(world, SCOPE))
    for dataset, low in (("greek", 0.94), ("digits", 0.92)):
        record = records.evaluations["mini_s"][dataset]
        record["methods"]["mcm"]["auroc"] |= {"value": 1.0, "low": low, "high": 1.0}
        record["replicates"]["mcm"]["auroc"] = [10000] * 100

    cell = records.mean("mini_s", SCOPE.ood, "mcm")
    difference = records.difference(cell, cell)

    assert (cell.value, cell.low, cell.high) == pytest.approx((1, 0.93, 1))
    assert (difference.value, difference.low, difference.high) == pytest.approx((0, -0.07, 0.07))


def test_every_pair_and_mean_has_its_line_or_a_reason(world):
    records = deepcopy(read_study(world, SCOPE))
    for backbone in ("mini_s", "mini_m", "mini_l"):
        records.evaluations[backbone]["digits"]["methods"]["knn_1"]["auroc"]["value"] = 0.5
    table = lines_table(records, PARAMS)
    mean, none = row(table, set="mean"), row(table, set="digits")

    assert list(table["set"]) == ["mean", "mean_near", "greek", "digits"]
    assert list(table["sets"]) == [2, 1, 1, 1]
    result = line_claim(records, PARAMS, SCOPE.ood)
    assert (mean["r2"], mean["backbones"]) == (pytest.approx(result.line.r2, abs=1e-6), 3)
    assert (mean["images_low"], mean["images_high"]) == pytest.approx(result.images, abs=1e-6)
    assert (mean["fisher_low"], mean["undefined"]) == (None, None)
    assert (none["r2"], none["undefined"]) == (None, "needs backbones that differ in AUROC")
    assert "digits" not in study_numbers(records, PARAMS)["a"]


def test_one_undefined_mean_leaves_the_others_in_claim_a(world):
    records = deepcopy(read_study(world, SCOPE))
    for backbone in ("mini_s", "mini_m", "mini_l"):
        records.evaluations[backbone]["greek"]["methods"]["knn_1"]["auroc"]["value"] = 0.5
    claims = claims_table(records, PARAMS).filter(claim="a")

    assert row(claims, mean="mean_near")["ours"] == (
        "undefined: needs backbones that differ in AUROC"
    )
    assert row(claims, mean="mean")["ours"].startswith(("0.", "1."))


def test_backbones_at_two_points_make_no_line(world):
    records = deepcopy(read_study(world, SCOPE))
    records.accuracies["mini_m"] = records.accuracies["mini_s"]
    records.evaluations["mini_m"] = records.evaluations["mini_s"]

    assert line_claim(records, PARAMS, SCOPE.ood) == (
        "needs backbones at 3 different points, for two always lie on a line"
    )


def test_an_interval_that_no_resample_gives_is_left_out(world):
    records = deepcopy(read_study(world, SCOPE))
    for record in records.accuracies.values():
        record["replicates"]["knn_20"] = [9000] * 100

    claim = row(claims_table(records, PARAMS), claim="a", mean="mean")

    assert line_claim(records, PARAMS, SCOPE.ood).images is None
    assert (claim["low"], claim["interval"]) == ("", "none: no resample of the images has an R²")
    assert set(study_numbers(records, PARAMS)["a"]["mean"]) == {"backbones", "r2", "slope"}


def test_one_backbone_makes_no_line(world):
    scope = StudyScope("glyphs", ("plain",), "capitals_test", SCOPE.ood)
    claims = claims_table(read_study(world, scope), PARAMS)

    assert row(claims, claim="a")["ours"] == (
        "not run: needs at least 3 CLIP backbones of study.clip among backbones, got 0"
    )
    assert row(claims, claim="b")["ours"].startswith("not run: needs a backbone with a text tower")
    assert row(claims, claim="d")["ours"].startswith("not run: needs a data set of source craft")


def test_fine_tuning_is_compared_on_the_same_draws(world):
    params = StudyParams(family=[], clip=[], finetuned={"mini_s": "plain"})
    records = read_study(world, SCOPE)
    claims = claims_table(records, params).filter(claim="c")
    expected = replicates_of("mini_s", "lp_msp") - replicates_of("plain", "ft_msp")
    low, _ = percentile_interval(expected)

    assert float(claims["low"][0]) == pytest.approx(100 * low, abs=0.06)
    assert claims["ours"][2] == "not run: needs lp_energy of mini_s among the methods"
    assert len(claims) == 3


def test_a_classifier_of_other_classes_is_told_as_the_reason_of_claim_c(world):
    """It used to say that the score must be listed among the methods, where it was."""
    reason = "its classifier has 1000 classes, the ID set has 200"
    records = read_study(world, SCOPE)
    for record in records.evaluations["plain"].values():
        record["not_applicable"]["ft_msp"] = reason
        del record["methods"]["ft_msp"]
    params = StudyParams(family=[], clip=[], finetuned={"mini_s": "plain"})

    claims = claims_table(records, params).filter(claim="c")

    assert claims["ours"][0] == f"not run: ft_msp of plain: {reason}"


def test_claim_e_says_what_computes_it_alone(world):
    claims = claims_table(read_study(world, SCOPE), PARAMS).filter(claim="e")

    assert set(claims["ours"]) == {
        "not run: needs benchmark=cifar100 backbone=vit_bigg study=single"
    }


def test_the_log_of_a_user_s_own_photos_lists_no_claim_that_was_not_run(world):
    """One line stands for them, as in the report; on glyphs each is told."""
    claims = claims_table(read_study(world, SCOPE), PARAMS)
    own, glyphs = summary(claims, "folders"), summary(claims, "glyphs")

    assert len(glyphs) == len(claims)
    assert [line[0] for line in own[:-1]] == [c for c in claims["claim"] if c not in "ce"]
    assert own[-1].startswith("Not measured on folders: claims c, e of the paper")
    assert not any("not run" in line for line in own)


def test_claim_c_is_tested_set_by_set_with_one_family_a_pair_of_scores(world):
    """Two models' scores never meet, so the z test of the joint replicates stands for DeLong's."""
    pairs = {"mini_s": "plain", "mini_l": "plain"}
    params = StudyParams(
        family=[], clip=[], finetuned=pairs, probe=("lp_msp",), finetuned_scores=("ft_msp",)
    )
    records = read_study(world, SCOPE)
    table = fine_tuning_table(records, params)
    tests = {(row["backbone"], row["dataset"]): row for row in table.iter_rows(named=True)}

    drawn = replicates_of("mini_l", "lp_msp", sets=("greek",)) - replicates_of(
        "plain", "ft_msp", sets=("greek",)
    )
    one = tests["mini_l", "greek"]
    p = replicate_p(one["difference"], drawn, n_id=80, n_ood=60)
    assert one["p"] == pytest.approx(p, abs=2e-3)
    assert len(tests) == 4
    assert table["p_holm"].to_list() == pytest.approx(holm(table["p"].to_numpy()), abs=1e-5)
    claim = row(claims_table(records, params), claim="c", mean="mean", of=CLAIM_C.format("mini_l"))
    better = sum(tests["mini_l", name]["p_holm"] <= 0.05 for name in SCOPE.ood)
    assert claim["p"].startswith(f"better on {better} of 2 (Holm ≤ 0.05)")


def test_attacks_carried_over_from_another_backbone_are_told_apart(world):
    claims = claims_table(read_study(world, SCOPE), PARAMS).filter(claim="d")

    assert claims["on"].to_list() == [
        "mini_l (transfer from mini_m); greek → smooth",
        "mini_m (surrogate); greek → smooth",
        "mini_s (transfer from mini_m); greek → smooth",
        "plain (transfer from mini_m); greek → smooth",
    ]


def test_claim_e_names_each_backbone_for_what_it_is(world):
    """The paper's numbers are of its largest CLIP model; fine-tuned towers are of claim c."""
    names = ("mini_s", "mini_l", "plain")
    records = read_study(world, StudyScope("cifar100", names, "capitals_test", ("greek",)))
    renamed = replace(records.scope, ood=("cifar10_test",))
    evaluations = {name: {"cifar10_test": records.evaluations[name]["greek"]} for name in names}
    moved = replace(records, scope=renamed, evaluations=evaluations)
    params = StudyParams(family=[], clip=[], finetuned={"mini_s": "plain"})
    claims = claims_table(moved, params).filter(claim="e")

    assert claims["on"].to_list() == ["mini_s", "mini_l"] * 2
    assert set(claims["paper"]) == {"87.6 (largest CLIP)", "97.4 (largest CLIP)"}
    assert not any("largest" in text for text in claims["statement"])


def test_the_cells_of_claim_e(world):
    records = read_study(world, StudyScope("cifar100", ("mini_l",), "capitals_test", ("greek",)))
    renamed = StudyScope("cifar100", ("mini_l",), "capitals_test", ("cifar10_test",))
    evaluations = {"mini_l": {"cifar10_test": records.evaluations["mini_l"]["greek"]}}
    moved = type(records)(renamed, evaluations, records.accuracies, {}, records.level)
    cells = claims_table(moved, PARAMS).filter(claim="e")

    value = records.mean("mini_l", ("greek",), "knn_1").value
    assert cells["ours"][0] == f"{100 * value:.1f}"


def numbers_in(value):
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_in(item)]
    return [value]


def test_the_stage_writes_metrics_and_tables(world):
    run(world, SCOPE, PARAMS)
    names = [
        "study.json",
        "results.csv",
        "results.parquet",
        *(f"study/{n}.csv" for n in ("comparisons", "claims", "fine_tuning", "lines")),
    ]
    first = [(world / name).read_bytes() for name in names]
    run(world, SCOPE, PARAMS)

    assert [(world / name).read_bytes() for name in names] == first
    numbers = json.loads(first[0])
    assert all(isinstance(n, int | float) and math.isfinite(n) for n in numbers_in(numbers))
    assert set(numbers) == {"a", "b", "d"}
    table = results_table(read_study(world, SCOPE))
    assert pl.read_parquet(world / "results.parquet").equals(table)
    assert pl.read_csv(world / "results.csv", schema=table.schema).equals(table)


def test_a_missing_record_is_named(world):
    scope = StudyScope("glyphs", ("mini_s",), "capitals_test", ("greek", "symbols"))

    with pytest.raises(FileNotFoundError, match=r"mini_s/symbols\.json; run `dvc repro`"):
        read_study(world, scope)


def test_records_that_do_not_belong_together_are_refused(world, tmp_path):
    with pytest.raises(ValueError, match="record of id 'letters', got 'capitals_test'"):
        read_study(world, StudyScope("glyphs", ("mini_s",), "letters", ("greek",)))
    for name in ("evaluation/mini_s/greek.json", "accuracy/mini_s.json"):
        record = read_json(world / name)
        if "accuracy" in name:
            record["level"] = 0.9
        write_json(tmp_path / name, record)
    with pytest.raises(ValueError, match="the same level, tpr and number of replicates"):
        read_study(tmp_path, StudyScope("glyphs", ("mini_s",), "capitals_test", ("greek",)))


def test_means_name_evaluated_sets(world):
    scope = StudyScope("glyphs", ("mini_s",), "capitals_test", ("greek",), means={"far": ("sun",)})

    with pytest.raises(ValueError, match=r"means\.far names the unknown 'sun'; known: greek"):
        read_study(world, scope)
    for means, message in (
        ({"overall": ("sun",)}, r"means\.overall names the unknown 'sun'; known: greek"),
        ({"near": ()}, r"means\.near must name at least one OOD set; known: greek"),
        ({"mean": ("greek",)}, "must not name a mean 'mean'"),
        ({"all": ("greek",)}, r"must not name a mean 'all', .* name it 'overall' to say which"),
    ):
        with pytest.raises(ValueError, match=message):
            read_study(world, replace(scope, means=means))
    with pytest.raises(ValueError, match=r"matrix\.ood must name at least one"):
        read_study(world, StudyScope("glyphs", ("mini_s",), "capitals_test", ()))


def test_the_scope_comes_from_params(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(
        "backbones: [mini_s, plain]\n"
        "benchmark: {name: glyphs, id_test: capitals_test, means: {near: [greek]}}\n"
        "datasets: {greek: {source: glyphs}, smooth: {source: craft, ood: greek}}\n"
        "matrix: {ood: [greek], crafted: [smooth]}\n"
    )
    monkeypatch.chdir(tmp_path)

    assert read_scope() == StudyScope(
        "glyphs", ("mini_s", "plain"), "capitals_test", ("greek",), {"smooth": "greek"},
        {"near": ("greek",)},
    )  # fmt: skip
