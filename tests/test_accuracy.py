"""ID accuracy: Wilson's interval, accuracy among the accepted, replicates on shared draws."""

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.statistics.accuracy import accuracy_record, wilson_interval
from pipeline.statistics.bootstrap import bootstrap, draw_counts
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.statistics.metrics import accepted_at_tpr
from pipeline.statistics.replicates import restored
from pipeline.tables import write_predictions, write_scores
from stages.accuracy import run

PARAMS = EvaluateParams(resamples=100, replicates=100)
NO_TEXT = "backbone 'plain' has no text tower"


def predicted(n=60):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, n)
    predictions = {
        name: np.where(rng.random(n) < share, labels, (labels + 1) % 4)
        for name, share in (("knn_20", 0.9), ("lp", 0.7))
    }
    return predictions, labels, {"knn_1": rng.normal(size=n)}


def record_of(predictions, labels, scores):
    return accuracy_record(
        predictions,
        labels,
        scores,
        backbone="plain",
        id_name="capitals_test",
        not_applicable={"zero_shot": NO_TEXT},
        methods_not_applicable={"mcm": NO_TEXT},
        params=PARAMS,
    )


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (3, 10), (871, 1040)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_agrees_with_scipy(successes, n, level):
    expected = binomtest(successes, n).proportion_ci(level, method="wilson")

    assert wilson_interval(successes, n, level=level) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_the_record_by_hand():
    """Three of four are right; the first of the wrong ones scores lowest."""
    labels = np.array([0, 1, 2, 3])
    record = record_of({"lp": np.array([0, 1, 2, 0])}, labels, {"knn_1": np.array([1.0, 2, 3, 0])})

    assert record["classifiers"]["lp"]["value"] == 0.75
    assert record["accepted"]["lp"]["knn_1"]["value"] == 0.75
    assert record["n"] == 4
    assert record["not_applicable"] == {"zero_shot": NO_TEXT}
    assert record["methods_not_applicable"] == {"mcm": NO_TEXT}


def test_accepted_accuracy_is_the_librarys():
    predictions, labels, scores = predicted()

    accepted = record_of(predictions, labels, scores)["accepted"]

    right = (predictions["lp"] == labels)[accepted_at_tpr(scores["knn_1"])]
    assert accepted["lp"]["knn_1"]["value"] == right.mean()
    low, high = wilson_interval(int(right.sum()), len(right))
    assert (accepted["lp"]["knn_1"]["low"], accepted["lp"]["knn_1"]["high"]) == (low, high)


def test_replicates_rest_on_the_draws_of_evaluation():
    predictions, labels, scores = predicted()
    counts = next(draw_counts(seed=0, name="capitals_test", n=60, resamples=100, block=100))
    expected = counts @ (predictions["lp"] == labels) / 60

    replicates = restored(record_of(predictions, labels, scores)["replicates"]["lp"])

    np.testing.assert_allclose(replicates, expected, atol=5e-5)
    # A score that is 1 where lp is right has, against a constant one half, the accuracy as AUROC.
    right = {"x": (predictions["lp"] == labels).astype(float)}
    areas = bootstrap(
        right, {"x": np.full(9, 0.5)}, id_name="capitals_test", ood_name="o", resamples=100
    )
    np.testing.assert_allclose(replicates, areas["x"]["auroc"], atol=5e-5)


def test_the_stage_reads_what_scoring_wrote(tmp_path):
    predictions, labels, scores = predicted()
    write_predictions(tmp_path / "p", predictions, labels, not_applicable={"zero_shot": NO_TEXT})
    write_scores(tmp_path / "capitals_test.parquet", scores, not_applicable={"mcm": NO_TEXT})

    record = run(tmp_path / "p", tmp_path / "capitals_test.parquet", PARAMS, backbone="plain")

    assert record == record_of(predictions, labels, scores)


def test_refusals():
    predictions, labels, scores = predicted()
    with pytest.raises(ValueError, match="every image .* must have a label, row 3 has none"):
        record_of(predictions, np.where(np.arange(60) == 3, -1, labels), scores)
    with pytest.raises(ValueError, match="'knn_1' must score the 60 labelled images .* got 59"):
        record_of(predictions, labels, {"knn_1": scores["knn_1"][:59]})
    with pytest.raises(ValueError, match="at least one predicted image"):
        record_of({}, labels[:0], {})
