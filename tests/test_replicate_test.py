"""The paired test from replicates alone agrees with DeLong's, which sees the scores."""

import numpy as np
import pytest
from scipy.special import ndtri

from pipeline.statistics.bootstrap import bootstrap
from pipeline.statistics.comparison import SMALLEST_P
from pipeline.statistics.delong import delong_test
from pipeline.statistics.replicate_test import replicate_interval, replicate_p


def two_methods(seed, *, gain):
    """Correlated scores of the same 300 + 200 images; the first separates by `gain` more."""
    rng = np.random.default_rng(seed)
    shared_id, shared_ood = rng.normal(1, 1, 300), rng.normal(0, 1, 200)
    noise = [(rng.normal(0, 0.7, 300), rng.normal(0, 0.7, 200)) for _ in range(2)]
    return tuple(
        (shared_id + of_id + plus, shared_ood + of_ood)
        for (of_id, of_ood), plus in zip(noise, (gain, 0.0), strict=True)
    )


def replicates_of(first, second):
    found = bootstrap(
        {"first": first[0], "second": second[0]},
        {"first": first[1], "second": second[1]},
        id_name="id",
        ood_name="ood",
        resamples=400,
    )
    return found["first"]["auroc"] - found["second"]["auroc"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gain", [0.0, 0.1, 0.3])
def test_it_agrees_with_delong_s_test(seed, gain):
    """In z within a tenth: the standard error of 400 draws is known to a thirtieth."""
    first, second = two_methods(seed, gain=gain)
    exact = delong_test(first, second)

    p = replicate_p(exact.difference, replicates_of(first, second), n_id=300, n_ood=200)

    z, expected = (abs(ndtri(value / 2)) for value in (p, exact.p))
    assert z == pytest.approx(expected, rel=0.12, abs=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_leaves_zero_out_where_the_test_does(seed):
    first, second = two_methods(seed, gain=0.1)
    exact, drawn = delong_test(first, second), replicates_of(first, second)
    for level in (0.5, 0.95, 0.999):
        low, high = replicate_interval(exact.difference, drawn, level=level)
        p = replicate_p(exact.difference, drawn, n_id=300, n_ood=200)
        assert (p < 1 - level) == (not low <= 0 <= high)
    assert replicate_interval(exact.difference, drawn) == pytest.approx(
        (exact.low, exact.high), abs=0.003
    )
    wide = np.tile([0.5, 1.0], 100)  # standard deviation 0.25
    assert replicate_interval(0.9, wide) == (pytest.approx(0.4088, abs=1e-3), 1.0)


def test_equal_models_differ_by_chance_and_reversed_ones_do_not():
    still = np.zeros(200)

    assert replicate_p(0.0, still, n_id=50, n_ood=40) == 1.0
    assert replicate_p(1.0, still + 1.0, n_id=50, n_ood=40) == SMALLEST_P
    assert replicate_p(1.0, still + 1.0, n_id=50, n_ood=4) == pytest.approx(2 * 2.0**-4)


@pytest.mark.parametrize("draws", [0, 1, 2, 5, 99])
def test_few_draws_test_nothing(draws):
    """One draw has no spread, and that of five is off by a third: p was 1e-6 and 0.004, not 0.2."""
    replicates = np.random.default_rng(0).normal(0.05, 0.04, draws)

    with pytest.raises(ValueError, match=rf"at least 100 joint draws, got {draws}; raise evaluate"):
        replicate_p(0.05, replicates, n_id=1040, n_ood=480)
    with pytest.raises(ValueError, match=rf"at least 100 joint draws, got {draws}; raise evaluate"):
        replicate_interval(0.05, replicates)


def test_few_images_cannot_show_much_however_narrow_the_replicates():
    replicates = 0.5 + 1e-3 * np.random.default_rng(0).normal(size=200)

    assert replicate_p(0.5, replicates, n_id=50, n_ood=4) == pytest.approx(2 * 2.0**-4)
