"""Ranking metrics: one number by hand for each sign, then definitions, invariances, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from pipeline.statistics.delong import delong_interval
from pipeline.statistics.levels import count_levels, needed_count
from pipeline.statistics.metrics import (
    accepted_at_tpr,
    all_metrics,
    aupr_in,
    aupr_out,
    auroc,
    class_breakdown,
    fpr95_ood,
    fpr_at_tpr,
)


def score_sets(max_size=40):
    """Two small sets with many ties, so that every rule for ties is met."""
    values = st.lists(st.integers(0, 8), min_size=1, max_size=max_size)
    return st.tuples(values, values).map(lambda pair: tuple(np.array(v, float) for v in pair))


def naive_auroc(scores_id, scores_ood):
    """The definition, pair by pair."""
    gaps = scores_id[:, None] - scores_ood[None, :]
    return ((gaps > 0) + 0.5 * (gaps == 0)).mean()


def sklearn_metrics(scores_id, scores_ood):
    """The same five numbers from scikit-learn, ties kept and nothing interpolated."""
    scores = np.concatenate([scores_id, scores_ood])
    is_id = np.repeat([1, 0], [len(scores_id), len(scores_ood)])
    fpr, tpr, _ = roc_curve(is_id, scores, drop_intermediate=False)
    fpr_ood, tpr_ood, _ = roc_curve(1 - is_id, -scores, drop_intermediate=False)
    return {
        "auroc": roc_auc_score(is_id, scores),
        "fpr95": fpr[np.argmax(tpr >= 0.95)],
        "fpr95_ood": fpr_ood[np.argmax(tpr_ood >= 0.95)],
        "aupr_in": average_precision_score(is_id, scores),
        "aupr_out": average_precision_score(1 - is_id, -scores),
    }


def test_auroc_by_hand():
    """Of the four ID-OOD pairs, three are ordered right: pins the direction."""
    assert auroc(np.array([2.0, 4.0]), np.array([1.0, 3.0])) == 0.75


def test_fpr_by_hand():
    """Accepting 19 of the ID scores 1..20 puts the threshold at 2; three of five OOD reach it."""
    scores_id = np.arange(1.0, 21.0)
    scores_ood = np.array([0.0, 1.0, 2.0, 2.0, 30.0])

    assert fpr_at_tpr(scores_id, scores_ood) == 0.6
    assert fpr_at_tpr(scores_id, scores_ood, tpr=1.0) == 0.8


def test_fpr95_ood_by_hand():
    """Rejecting 19 of the OOD scores 1..20 puts the threshold at 19; four of five ID fall."""
    scores_id = np.array([0.0, 18.0, 19.0, 19.0, 20.0])
    scores_ood = np.arange(1.0, 21.0)

    assert fpr95_ood(scores_id, scores_ood) == 0.8


def test_aupr_by_hand():
    """From the top: ID, OOD, ID. Precision at the ID samples is 1 and 2/3, at the OOD one 1/2."""
    scores_id, scores_ood = np.array([3.0, 1.0]), np.array([2.0])

    assert aupr_in(scores_id, scores_ood) == pytest.approx((1 + 2 / 3) / 2)
    assert aupr_out(scores_id, scores_ood) == pytest.approx(1 / 2)


def test_the_two_senses_of_fpr95_are_different_numbers():
    scores_id = np.concatenate([np.full(90, 5.0), np.full(5, 2.0)])
    scores_ood = np.concatenate([np.full(90, 1.0), np.full(10, 3.0)])

    assert fpr_at_tpr(scores_id, scores_ood) == 0.1
    assert fpr95_ood(scores_id, scores_ood) == 5 / 95


def test_a_constant_detector_says_nothing():
    """AUROC one half and every OOD image accepted, in both senses and in any row order."""
    constant = np.full(7, 0.3)

    assert all_metrics(constant, constant[:5]) == {
        "auroc": 0.5,
        "fpr95": 1.0,
        "fpr95_ood": 1.0,
        "aupr_in": 7 / 12,
        "aupr_out": 5 / 12,
    }
    assert count_levels(constant, constant[:5]).constant
    assert not count_levels(constant, constant[:5] + 1).constant


@given(score_sets())
def test_agrees_with_the_definition_and_scikit_learn(pair):
    metrics = all_metrics(*pair)

    assert metrics["auroc"] == pytest.approx(naive_auroc(*pair), abs=1e-12)
    assert metrics == pytest.approx(sklearn_metrics(*pair), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_scikit_learn_on_many_scores(dtype):
    rng = np.random.default_rng(0)
    scores_id, scores_ood = (
        rng.normal(1, 1, 4000).astype(dtype),
        rng.normal(0, 2, 3000).astype(dtype),
    )

    assert all_metrics(scores_id, scores_ood) == pytest.approx(
        sklearn_metrics(scores_id, scores_ood), abs=1e-12
    )


def test_single_functions_are_entries_of_all_metrics():
    rng = np.random.default_rng(1)
    pair = rng.normal(1, 1, 50).round(1), rng.normal(0, 1, 40).round(1)

    assert all_metrics(*pair, tpr=0.9) == {
        "auroc": auroc(*pair),
        "fpr95": fpr_at_tpr(*pair, tpr=0.9),
        "fpr95_ood": fpr95_ood(*pair, tpr=0.9),
        "aupr_in": aupr_in(*pair),
        "aupr_out": aupr_out(*pair),
    }


@given(score_sets(), st.randoms(use_true_random=False))
def test_only_the_ranking_counts(pair, random):
    """Unchanged under exp and under any order of the rows."""
    shuffled = tuple(np.array(random.sample(list(s), len(s))) for s in pair)

    assert all_metrics(*(np.exp(s) for s in shuffled)) == all_metrics(*pair)


@given(score_sets())
def test_swapped_roles_mirror_the_metrics(pair):
    """Exchanging the sets and turning the scores around exchanges the senses."""
    scores_id, scores_ood = pair
    mirrored = all_metrics(-scores_ood, -scores_id)
    metrics = all_metrics(scores_id, scores_ood)
    names = {"fpr95": "fpr95_ood", "fpr95_ood": "fpr95", "aupr_in": "aupr_out"}

    for name, other in (names | {"aupr_out": "aupr_in", "auroc": "auroc"}).items():
        assert mirrored[name] == pytest.approx(metrics[other], abs=1e-12)


@pytest.mark.parametrize(
    ("n", "share", "count"),
    [(20, 0.95, 19), (100, 0.95, 95), (21, 0.95, 20), (1, 0.95, 1), (10, 1.0, 10), (30, 0.1, 3)],
)
def test_needed_count(n, share, count):
    assert needed_count(n, share) == count


def test_accuracy_among_the_accepted():
    """The least certain of 20 images is rejected; it was one of two wrong ones."""
    scores = np.arange(20.0)
    correct = np.ones(20, bool)
    correct[[0, 19]] = False

    assert correct[accepted_at_tpr(scores)].mean() == 18 / 19


def test_classes_are_judged_like_sets():
    rng = np.random.default_rng(2)
    scores_id, scores_ood = rng.normal(1, 1, 60).round(1), rng.normal(0, 1, 40).round(1)
    names = [("alpha", "beta", "gamma")[i % 3] for i in range(40)]

    breakdown = class_breakdown(scores_id, scores_ood, names)

    assert list(breakdown) == ["alpha", "beta", "gamma"]
    for name, entry in breakdown.items():
        members = scores_ood[np.array(names) == name]
        assert entry["n"] == len(members)
        assert entry["auroc"] == pytest.approx(auroc(scores_id, members))
        assert entry["fpr95"] == pytest.approx(fpr_at_tpr(scores_id, members))
        ends = delong_interval(scores_id, members)
        assert (entry["low"], entry["high"]) == pytest.approx(ends, abs=1e-12)


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=12),
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abc")), min_size=1, max_size=15),
)
def test_every_class_has_delong_s_interval(of_id, of_ood):
    """However many scores are tied; with perfect separation the bound, and none for one image."""
    scores_id = np.array(of_id, dtype=np.float64)
    scores_ood = np.array([score for score, _ in of_ood], dtype=np.float64)
    names = [name for _, name in of_ood]

    for name, entry in class_breakdown(scores_id, scores_ood, names, level=0.9).items():
        members = scores_ood[np.array(names) == name]
        if len(members) < 2:
            assert "low" not in entry
            continue
        ends = delong_interval(scores_id, members, level=0.9)
        assert (entry["low"], entry["high"]) == pytest.approx(ends, abs=1e-9)


def test_a_class_on_the_threshold_is_accepted():
    """Accepting all of 1, 2 puts the threshold at 1: the image that ties it counts."""
    breakdown = class_breakdown(
        np.array([1.0, 2.0]), np.array([1.0, 0.0, 2.0]), ["a", "a", "b"], tpr=1.0
    )

    ends = delong_interval(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    assert breakdown == {
        "a": {"auroc": 0.875, "fpr95": 0.5, "n": 2} | dict(zip(("low", "high"), ends, strict=True)),
        "b": {"auroc": 0.25, "fpr95": 1.0, "n": 1},
    }


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_do_not_rank_are_refused(bad):
    good = np.array([1.0, 2.0])

    with pytest.raises(ValueError, match=r"ID scores must be finite, got .* at 1 \(1 of 3\)"):
        auroc(np.array([1.0, bad, 0.0]), good)
    with pytest.raises(ValueError, match=r"OOD scores must be finite"):
        class_breakdown(good, np.array([bad]), ["a"])


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="at least one OOD score, got none"):
        all_metrics(np.array([1.0]), np.zeros(0))


@pytest.mark.parametrize("tpr", [0.0, 1.5, -0.1])
def test_an_impossible_share_is_refused(tpr):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        fpr_at_tpr(np.array([1.0]), np.array([0.0]), tpr=tpr)


def test_names_must_match_scores():
    with pytest.raises(ValueError, match="1 names for 2 scores"):
        class_breakdown(np.zeros(1), np.zeros(2), ["a"])
