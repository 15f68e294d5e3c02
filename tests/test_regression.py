"""R² by hand, by scipy, and honest about how little a few points say."""

import numpy as np
import pytest
from scipy.stats import linregress, pearsonr

from pipeline.statistics.regression import (
    bootstrap_interval,
    correlation_replicates,
    fisher_interval,
    fit_line,
    measurement_interval,
)


def points(n=10, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, 2 * x + rng.normal(0, noise, n)


def test_by_hand():
    """Through (0, 0), (1, 1), (2, 1): slope 1/2, intercept 1/6, three quarters explained."""
    line = fit_line(np.array([0.0, 1, 2]), np.array([0.0, 1, 1]))

    assert (line.slope, line.intercept, line.r2) == pytest.approx((1 / 2, 1 / 6, 3 / 4))
    assert line.n == 3


def test_agrees_with_scipy():
    x, y = points()
    line, expected = fit_line(x, -y), linregress(x, -y)

    assert (line.slope, line.intercept) == pytest.approx((expected.slope, expected.intercept))
    assert line.r2 == pytest.approx(expected.rvalue**2)
    low, high = pearsonr(x, -y).confidence_interval(0.9)
    assert fisher_interval(line, level=0.9) == pytest.approx((high**2, low**2))


def test_an_interval_over_zero_starts_at_zero():
    x, y = points(noise=9)
    low, high = fisher_interval(fit_line(x, y))

    assert low == 0 < fit_line(x, y).r2 < high


def test_three_points_have_no_interval():
    x, y = points(3)

    assert fisher_interval(fit_line(x, y)) is None
    assert bootstrap_interval(x, y) is None


def test_a_perfect_line():
    x = np.arange(5.0)

    assert fit_line(x, 3 - x).r2 == pytest.approx(1)
    assert fisher_interval(fit_line(x, 3 - x)) == pytest.approx((1, 1))
    assert bootstrap_interval(x, 3 - x) == pytest.approx((1, 1))


def test_bootstrap_holds_the_value_and_repeats():
    x, y = points(10, noise=1.0)
    low, high = bootstrap_interval(x, y)

    assert 0 < low < fit_line(x, y).r2 < high < 1
    assert bootstrap_interval(x, y) == (low, high)
    assert bootstrap_interval(x, y, seed=1) != (low, high)


def test_fisher_covers_the_truth():
    rng = np.random.default_rng(0)
    truth = 0.8  # correlation of x and y
    hits = []
    for _ in range(400):
        x = rng.normal(size=10)
        y = truth * x + np.sqrt(1 - truth**2) * rng.normal(size=10)
        low, high = fisher_interval(fit_line(x, y))
        hits.append(low <= truth**2 <= high)

    assert 0.92 <= np.mean(hits) <= 0.98


def test_replicates_are_lines_by_row():
    rows = [points(6, seed=seed) for seed in range(3)]
    x, y = (np.stack(part) for part in zip(*rows, strict=True))
    expected = [pearsonr(*row).statistic for row in rows]

    np.testing.assert_allclose(correlation_replicates(x, y), expected)
    assert len(correlation_replicates(np.zeros((2, 4)), np.ones((2, 4)))) == 0


def test_a_constant_is_none_by_rounding_either():
    """The mean of three 0.1 is 0.10000000000000002, so that they differ from it."""
    tenths, line = np.full((1, 3), 0.1), np.array([[0.0, 1, 2]])

    assert (tenths != tenths.mean()).all()
    assert len(correlation_replicates(tenths, line)) == 0
    assert len(correlation_replicates(line, tenths)) == 0


def test_measurement_noise_is_taken_out_twice_by_hand():
    """x = (0, 1, 2) ± (0.1, -0.2, 0.1), y = (0, 1, 1): R² of 3/4 was measured.

    The noise is orthogonal to x, so that every replicate has Sxx = 2 + 0.06; once is what a
    replicate adds, twice also what the points carry. Sxy = 1 ± 0.1 and Syy = 2/3.
    """
    x, y = np.array([0.0, 1, 2]), np.array([0.0, 1, 1])
    noise = np.outer(np.repeat([1, -1], 50), [0.1, -0.2, 0.1])

    low, high = measurement_interval(fit_line(x, y), x + noise, np.tile(y, (100, 1)))

    assert low == pytest.approx(0.9**2 / ((2 + 0.06) * 2 / 3))
    assert high == pytest.approx(1.1**2 / ((2 - 0.06) * 2 / 3))


@pytest.mark.parametrize("sign", [1, -1])
def test_noisy_points_widen_the_interval_around_the_measured_value(sign):
    """Points on a perfect line, each measured with noise: R² near one stays inside."""
    rng = np.random.default_rng(0)
    x = np.array([0.7, 0.8, 0.95])
    y = 0.5 + sign * 0.4 * x
    line = fit_line(x, y)
    widths = []
    for noise in (0.005, 0.02):
        replicates = (part + rng.normal(0, noise, (200, 3)) for part in (x, y))
        low, high = measurement_interval(line, *replicates)
        assert low <= line.r2 <= high <= 1
        widths.append(high - low)

    assert widths[0] < widths[1]
    still = np.tile(x, (5, 1)), np.tile(y, (5, 1))
    assert measurement_interval(line, *still) == pytest.approx((1, 1))


@pytest.mark.parametrize(("n", "scatter"), [(10, 0.002), (10, 0.006), (10, 0.04), (3, 0.006)])
def test_the_interval_over_images_covers_the_backbones_own_line(n, scatter):
    """Accuracies of 1,000 images: without its noise taken out, R² near one was never reached."""
    rng = np.random.default_rng(0)
    x = np.linspace(0.75, 0.95, n)
    y = 0.6 + 0.35 * x + scatter * np.random.default_rng(3).normal(size=n)
    truth = fit_line(x, y).r2
    errors = np.sqrt(x * (1 - x) / 1000), 0.006
    hits, width = [], 0.0
    for _ in range(150):
        seen = x + rng.normal(size=n) * errors[0], y + rng.normal(size=n) * errors[1]
        resampled = (
            part + rng.normal(size=(200, n)) * error
            for part, error in zip(seen, errors, strict=True)
        )
        low, high = measurement_interval(fit_line(*seen), *resampled)
        hits.append(low <= truth <= high)
        width += (high - low) / 150

    assert np.mean(hits) >= 0.92
    assert width < 0.5


def test_points_that_may_differ_by_noise_alone_say_nothing_of_a_line():
    rng = np.random.default_rng(0)
    x, y = np.array([0.5, 0.501, 0.502]), np.array([0.9, 0.8, 0.95])
    replicates = x + rng.normal(0, 0.05, (200, 3)), y + rng.normal(0, 0.01, (200, 3))

    low, high = measurement_interval(fit_line(x, y), *replicates)
    assert low < 0.01
    assert high == 1


def test_resamples_without_a_line_are_no_interval():
    """Constant replicates have no R², which is not an R² known for certain."""
    line = fit_line(np.array([0.0, 1, 2]), np.array([0.0, 1, 1]))
    rows = np.tile(np.array([0.0, 1, 2]), (5, 1))

    assert measurement_interval(line, rows, np.ones((5, 3))) is None
    assert measurement_interval(line, np.ones((5, 3)), rows) is None


def test_two_different_points_have_no_interval():
    """Four backbones of which two and two coincide: every resample lies on a line."""
    twice = np.array([0.0, 0, 1, 1])

    assert bootstrap_interval(twice, twice) is None


def test_refusals():
    with pytest.raises(ValueError, match="at least 3 points, got 2"):
        fit_line(np.arange(2.0), np.arange(2.0))
    with pytest.raises(ValueError, match="at least 3 different points, got 2 among 4"):
        fit_line(np.array([0.0, 0, 1, 1]), np.array([0.0, 0, 1, 1]))
    with pytest.raises(ValueError, match="differ in both x and y"):
        fit_line(np.arange(4.0), np.ones(4))
