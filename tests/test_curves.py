"""ROC points are thresholds, histograms count everybody."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from pipeline.statistics.curves import histogram, roc_points
from pipeline.statistics.levels import count_levels


def test_every_threshold_is_a_point_where_there_are_few():
    """ID 1, 2, 2 and OOD 0, 2: above 2 nothing, at 2 two ID and one OOD, at 1 all ID, at 0 all."""
    fpr, tpr = roc_points(count_levels(np.array([1.0, 2, 2]), np.array([0.0, 2])))

    np.testing.assert_allclose(fpr, [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(tpr, [0, 2 / 3, 1, 1])


def test_points_lie_on_scikit_learns_curve():
    rng = np.random.default_rng(0)
    scores_id, scores_ood = rng.normal(2, 1, 3000), rng.normal(0, 1, 2000)
    fpr, tpr = roc_points(count_levels(scores_id, scores_ood))
    all_fpr, all_tpr, _ = roc_curve(
        np.repeat([1, 0], [3000, 2000]),
        np.concatenate([scores_id, scores_ood]),
        drop_intermediate=False,
    )

    assert 80 <= len(fpr) <= 100
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert set(zip(fpr, tpr, strict=True)) <= set(zip(all_fpr, all_tpr, strict=True))
    assert np.trapezoid(tpr, fpr) == pytest.approx(np.trapezoid(all_tpr, all_fpr), abs=0.003)


def test_histogram_by_hand():
    edges, of_id, of_ood = histogram(np.array([1.0, 1.0, 0.9]), np.array([0.0, 0.1]), bins=2)

    np.testing.assert_allclose(edges, [0.002, 0.501, 1.0], atol=1e-6)
    assert (of_id.tolist(), of_ood.tolist()) == ([0, 3], [2, 0])


def test_a_score_on_an_edge_counts_in_the_bin_above_it():
    """Edges at 0, 0.5 and 1: the one half belongs to the upper bin, in either set."""
    edges, of_id, of_ood = histogram(np.array([0, 0, 0.5]), np.array([0.5, 1, 1]), bins=2)

    assert edges.tolist() == [0, 0.5, 1]
    assert (of_id.tolist(), of_ood.tolist()) == ([2, 1], [0, 3])


def test_outliers_and_constants_are_counted():
    rng = np.random.default_rng(0)
    scores = np.append(rng.normal(0, 1, 999), 1e9)
    edges, of_id, _ = histogram(scores, scores)
    assert edges[-1] < 10
    assert of_id.sum() == 1000

    edges, of_id, of_ood = histogram(np.full(3, 7.0), np.full(2, 7.0), bins=3)
    assert (of_id.tolist(), of_ood.tolist()) == ([0, 3, 0], [0, 2, 0])
    assert edges[0] < 7 < edges[-1]
