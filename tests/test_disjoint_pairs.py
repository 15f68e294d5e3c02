"""Bounds without a variance: by hand, by their definition, and as cover of a simulated truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.statistics.disjoint_pairs import same_value_interval, same_value_p, unseen_share
from pipeline.statistics.metrics import auroc


def test_three_pairs_by_hand():
    """At an AUROC of 0.025^(1/3) = 0.2924 all three pairs are right one time in forty."""
    low, high = same_value_interval(1.0, pairs=3)

    assert (low, high) == pytest.approx((0.2924, 1.0), abs=1e-4)
    assert low**3 == pytest.approx(0.025)
    assert same_value_interval(0.0, pairs=3) == pytest.approx((0, 1 - 0.2924), abs=1e-4)
    assert same_value_interval(0.5, pairs=3) == pytest.approx((0.1462, 0.8538), abs=1e-4)


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("pairs", [1, 7, 480])
def test_the_share_is_clopper_and_pearson_s(pairs, level):
    expected = binomtest(0, pairs).proportion_ci(level, method="exact").high

    assert unseen_share(pairs, level=level) == pytest.approx(expected)


def test_p_by_hand():
    """Perfect against reversed is the sign test; against constant, each pair says less."""
    assert same_value_p(1.0, pairs=3) == pytest.approx(2 / 2**3)
    assert same_value_p(-1.0, pairs=10) == pytest.approx(2 / 2**10)
    assert same_value_p(0.5, pairs=3) == pytest.approx(2 / 1.5**3)
    assert same_value_p(0.5, pairs=1) == 1
    assert same_value_p(0.0, pairs=1000) == 1


@pytest.mark.parametrize("difference", [1.0, 0.5, -0.5])
def test_the_test_and_the_interval_say_the_same(difference):
    for pairs in range(1, 30):
        for level in (0.9, 0.95, 0.99):
            low, high = same_value_interval(difference, pairs=pairs, lowest=-1.0, level=level)
            assert (low <= 0 <= high) == (same_value_p(difference, pairs=pairs) >= 1 - level)


def test_the_bound_holds_where_perfect_separation_is_luck():
    """Of 4 + 4 images with an AUROC of 0.9, the perfect draws must not claim more."""
    rng = np.random.default_rng(0)
    shift = 1.8124  # sqrt(2) · the normal quantile of 0.9
    perfect = sum(auroc(rng.normal(shift, 1, 4), rng.normal(0, 1, 4)) == 1 for _ in range(2000))
    low, _ = same_value_interval(1.0, pairs=4)

    assert perfect > 200  # so [1, 1] would have missed the truth that often
    assert low < 0.9


def test_refusals():
    with pytest.raises(ValueError, match="at least one ID-OOD pair, got 0"):
        same_value_interval(1.0, pairs=0)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        unseen_share(3, level=95.0)
