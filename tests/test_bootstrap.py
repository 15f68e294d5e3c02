"""Resampling by counts: equal to drawing rows, paired by name, honest in its coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pipeline.statistics.bootstrap import bootstrap, draw_counts, percentile_interval
from pipeline.statistics.metrics import all_metrics
from pipeline.statistics.ranking import Ranking, resampled_metrics


def counts_of(name="letters", n=50, resamples=12, block=5, seed=0):
    return np.concatenate(
        list(draw_counts(seed=seed, name=name, n=n, resamples=resamples, block=block))
    )


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.5, 0.95]))
def test_counting_equals_drawing_the_rows(seed, n, m, tpr):
    """A resample by counts gives the metrics of the repeated rows, ties and all."""
    rng = np.random.default_rng(seed)
    scores_id, scores_ood = rng.integers(0, 7, n) / 2, rng.integers(0, 6, m) / 2
    id_counts = rng.multinomial(n, np.full(n, 1 / n), size=3).astype(np.int32)
    ood_counts = rng.multinomial(m, np.full(m, 1 / m), size=3).astype(np.int32)

    metrics = resampled_metrics(Ranking.fit(scores_id, scores_ood), id_counts, ood_counts, tpr=tpr)

    for i in range(3):
        drawn = all_metrics(
            np.repeat(scores_id, id_counts[i]), np.repeat(scores_ood, ood_counts[i]), tpr=tpr
        )
        assert {name: values[i] for name, values in metrics.items()} == pytest.approx(drawn)


def test_a_draw_has_the_size_of_the_set():
    counts = counts_of()

    assert counts.shape == (12, 50)
    assert (counts.sum(axis=1) == 50).all()


def test_draws_depend_on_seed_name_and_size_only():
    np.testing.assert_array_equal(counts_of(block=1), counts_of(block=12))
    np.testing.assert_array_equal(counts_of(resamples=3), counts_of()[:3])
    assert (counts_of(name="digits") != counts_of()).any()
    assert (counts_of(seed=1) != counts_of()).any()
    assert (counts_of(n=51)[:, :50] != counts_of()).any()


def test_draws_stay_what_they_were():
    """Replicates in reports of different days are paired: the stream must never change."""
    assert counts_of(n=8, resamples=2).tolist() == [
        [2, 0, 0, 0, 1, 1, 1, 3],
        [0, 1, 0, 1, 2, 0, 3, 1],
    ]


def test_a_method_is_resampled_alike_alone_and_in_company():
    rng = np.random.default_rng(0)
    ids = {name: rng.normal(1, 1, 60) for name in ("a", "b")}
    oods = {name: rng.normal(0, 1, 40) for name in ("a", "b")}
    names = {"id_name": "letters", "ood_name": "digits", "resamples": 20}

    both = bootstrap(ids, oods, **names)
    alone = bootstrap({"b": ids["b"]}, {"b": oods["b"]}, **names)

    np.testing.assert_array_equal(both["b"]["fpr95"], alone["b"]["fpr95"])


def test_ood_sets_share_the_id_draws():
    """With OOD scores that no resample can change, AUROC replicates on two sets are equal."""
    scores_id = {"a": np.random.default_rng(0).normal(0, 1, 60)}
    names = {"id_name": "letters", "resamples": 20}

    greek = bootstrap(scores_id, {"a": np.zeros(30)}, ood_name="greek", **names)
    digits = bootstrap(scores_id, {"a": np.zeros(45)}, ood_name="digits", **names)

    np.testing.assert_allclose(greek["a"]["auroc"], digits["a"]["auroc"], rtol=1e-12)
    assert greek["a"]["auroc"].std() > 0.01


def test_interval_covers_the_truth():
    """Of 90 % percentile intervals on 60 + 60 images about 90 % hold the true AUROC."""
    rng = np.random.default_rng(1)
    truth = norm.cdf(1 / np.sqrt(2))
    hits = []
    for i in range(200):
        replicates = bootstrap(
            {"a": rng.normal(1, 1, 60)},
            {"a": rng.normal(0, 1, 60)},
            id_name=f"id{i}",
            ood_name=f"ood{i}",
            resamples=200,
        )
        low, high = percentile_interval(replicates["a"]["auroc"], level=0.9)
        hits.append(low <= truth <= high)

    assert 0.84 <= np.mean(hits) <= 0.95


def test_percentiles_by_hand():
    assert percentile_interval(np.arange(101.0), level=0.9) == pytest.approx((5.0, 95.0))


def test_constant_scores_stay_at_one_half():
    replicates = bootstrap(
        {"a": np.zeros(9)}, {"a": np.zeros(7)}, id_name="i", ood_name="o", resamples=4
    )

    assert (replicates["a"]["auroc"] == 0.5).all()
    assert (replicates["a"]["fpr95"] == 1).all()


def test_refusals():
    with pytest.raises(ValueError, match="at least one resample, got 0"):
        bootstrap({}, {}, id_name="i", ood_name="o", resamples=0)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 1"):
        percentile_interval(np.arange(3.0), level=1.0)
    names = {"id_name": "letters", "ood_name": "digits"}
    with pytest.raises(ValueError, match="of 'letters', got 10 scores of 'a' and 1 of 'b'"):
        bootstrap({"a": np.zeros(10), "b": np.zeros(1)}, {"a": np.zeros(4)}, **names)
    with pytest.raises(ValueError, match="of 'digits', got 4 scores of 'a' and 5 of 'b'"):
        bootstrap(dict.fromkeys("ab", np.zeros(9)), {"a": np.zeros(4), "b": np.zeros(5)}, **names)
    with pytest.raises(ValueError, match="ID scores must be finite"):
        bootstrap({"a": np.array([np.nan])}, {"a": np.zeros(1)}, id_name="i", ood_name="o")
