"""DeLong's interval and paired test against the formula, the bootstrap and simulated truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pipeline.statistics.bootstrap import bootstrap, percentile_interval
from pipeline.statistics.delong import delong_interval, delong_test, placements
from pipeline.statistics.metrics import auroc


def naive_covariance(methods):
    """Areas and their covariance from the pairwise kernel, as DeLong et al. write it."""
    kernels = [
        np.array([[(x > y) + 0.5 * (x == y) for y in ood] for x in scores_id])
        for scores_id, ood in methods
    ]
    of_id = np.stack([kernel.mean(axis=1) for kernel in kernels])
    of_ood = np.stack([kernel.mean(axis=0) for kernel in kernels])
    covariance = np.cov(of_id) / of_id.shape[1] + np.cov(of_ood) / of_ood.shape[1]
    return np.array([kernel.mean() for kernel in kernels]), np.atleast_2d(covariance)


def two_methods(rng, n=40, m=30, gain=0.5):
    """Two noisy readings of the same images, rounded so that ties occur."""
    truth_id, truth_ood = rng.normal(1, 1, n), rng.normal(0, 1, m)
    return tuple(
        (
            (truth_id + shift + rng.normal(0, 0.7, n)).round(1),
            (truth_ood + rng.normal(0, 0.7, m)).round(1),
        )
        for shift in (gain, 0.0)
    )


def test_placements_by_hand():
    """ID 2 beats one of two OOD and ties none; ID 3 ties one and beats one."""
    of_id, of_ood = placements(np.array([2.0, 3.0]), np.array([1.0, 3.0]))

    np.testing.assert_array_equal(of_id, [0.5, 0.75])
    np.testing.assert_array_equal(of_ood, [1.0, 0.25])


def test_interval_agrees_with_the_formula():
    method, _ = two_methods(np.random.default_rng(0))
    areas, covariance = naive_covariance([method])
    half = norm.ppf(0.975) * np.sqrt(covariance[0, 0])

    low, high = delong_interval(*method, scale="plain")

    assert areas[0] == pytest.approx(auroc(*method))
    assert (low, high) == pytest.approx((areas[0] - half, areas[0] + half), abs=1e-12)


def test_logit_interval_is_the_plain_one_on_log_odds():
    method, _ = two_methods(np.random.default_rng(3))
    areas, covariance = naive_covariance([method])
    error = np.sqrt(covariance[0, 0]) / (areas[0] * (1 - areas[0]))

    odds = [np.log(p / (1 - p)) for p in delong_interval(*method, level=0.9)]

    center = np.log(areas[0] / (1 - areas[0]))
    assert odds == pytest.approx([center - 1.644854 * error, center + 1.644854 * error], abs=1e-5)


@given(st.integers(0, 10_000))
def test_paired_test_agrees_with_the_formula(seed):
    methods = two_methods(np.random.default_rng(seed), n=12, m=9)
    areas, covariance = naive_covariance(methods)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])

    test = delong_test(*methods)

    assert test.difference == pytest.approx(areas[0] - areas[1], abs=1e-12)
    normal = 2 * norm.sf(abs(test.difference) / error)
    assert test.p == pytest.approx(max(normal, 2 / 2**9), abs=1e-9)  # the second: see below


def test_first_minus_second():
    """The better method stands first, so the difference is positive and its interval excludes 0."""
    better, worse = two_methods(np.random.default_rng(0), n=400, m=400, gain=1.5)

    test = delong_test(better, worse)

    assert 0 < test.low < test.difference < test.high
    assert test.p < 1e-6
    assert delong_test(worse, better).difference == -test.difference


def test_agrees_with_the_bootstrap():
    first, second = two_methods(np.random.default_rng(5), n=500, m=400)
    replicates = bootstrap(
        {"a": first[0], "b": second[0]},
        {"a": first[1], "b": second[1]},
        id_name="letters",
        ood_name="digits",
    )
    differences = replicates["a"]["auroc"] - replicates["b"]["auroc"]
    test = delong_test(first, second)

    assert percentile_interval(differences) == pytest.approx((test.low, test.high), abs=0.005)
    assert percentile_interval(replicates["a"]["auroc"]) == pytest.approx(
        delong_interval(*first), abs=0.005
    )


def test_intervals_cover_the_truth():
    """Of 95 % intervals on 30 + 30 images about 95 % hold the true AUROC of two normals."""
    rng = np.random.default_rng(0)
    truth = norm.cdf(1.5 / np.sqrt(2))
    hits = [
        low <= truth <= high
        for low, high in (
            delong_interval(rng.normal(1.5, 1, 30), rng.normal(0, 1, 30)) for _ in range(600)
        )
    ]

    assert 0.93 <= np.mean(hits) <= 0.98


def test_p_values_are_uniform_where_nothing_differs():
    rng = np.random.default_rng(0)
    p_values = [delong_test(*two_methods(rng, 40, 40, gain=0.0)).p for _ in range(400)]

    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(p_values) < 0.5) == pytest.approx(0.5, abs=0.08)


def test_a_monotone_change_is_no_difference():
    scores_id, scores_ood = two_methods(np.random.default_rng(0))[0]

    test = delong_test((scores_id, scores_ood), (np.exp(scores_id), np.exp(scores_ood)))

    assert (test.difference, test.p) == (0.0, 1.0)
    assert (test.low, test.high) == pytest.approx((0.025 ** (1 / 30) - 1, 1 - 0.025 ** (1 / 30)))


def test_without_spread_the_number_of_images_bounds_the_auroc():
    """Three against three, perfectly apart: 0.025^(1/3) = 0.2924 is not excluded."""
    perfect, three = (np.arange(3.0) + 9, np.arange(3.0)), np.zeros(3)

    assert delong_interval(*perfect) == pytest.approx((0.2924, 1.0), abs=1e-4)
    assert delong_interval(*perfect[::-1]) == pytest.approx((0.0, 0.7076), abs=1e-4)
    assert delong_interval(three, three) == pytest.approx((0.1462, 0.8538), abs=1e-4)
    low, high = delong_interval(np.arange(500.0) + 999, np.arange(400.0), scale="plain")
    assert (low, high) == pytest.approx((0.025 ** (1 / 400), 1.0))


def test_few_images_are_no_evidence_however_well_they_separate():
    """Perfect against constant: p = 2 / 1.5^k for k images of each set, so 0.59 for three."""
    for k, p in ((3, 0.5926), (20, 0.0006)):
        perfect, constant = (np.arange(k) + 99.0, np.arange(k) + 0.0), (np.ones(k), np.ones(k))

        test = delong_test(perfect, constant)

        assert (test.difference, test.p) == pytest.approx((0.5, p), abs=1e-4)
        assert (test.low < 0) == (k == 3)
        assert delong_test(constant, perfect).p == test.p


def test_a_small_variance_of_few_images_is_no_evidence_either():
    """Perfect against nearly reversed, 3 + 3 images: z is 5.7, but three pairs say 1/4 at most."""
    scores_id = np.array([4.0, 5.0, 6.0])
    perfect, other = (scores_id, np.arange(3.0)), (-scores_id, np.array([-4.5, 0.0, 1.0]))

    test = delong_test(perfect, other)

    assert (test.difference, test.p) == pytest.approx((8 / 9, 0.25))


def test_a_coincidence_of_ranks_says_nothing():
    """Every placement differs by one half, yet two of the four pairs agree and two do not."""
    first = np.array([3.0, 1.0]), np.array([0.0, 2.0])  # AUROC 3/4
    second = np.array([2.0, 0.0]), np.array([1.0, 3.0])  # AUROC 1/4

    test = delong_test(first, second)

    assert (test.difference, test.low, test.high, test.p) == (0.5, -1.0, 1.0, 1.0)


def test_refusals():
    pair = np.array([1.0, 2.0]), np.array([0.0, 1.5])
    with pytest.raises(ValueError, match="at least 2 scores of each set, got 1"):
        delong_interval(pair[0][:1], pair[1])
    with pytest.raises(ValueError, match="unknown scale 'log'; known: logit, plain"):
        delong_interval(*pair, scale="log")
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        delong_test(pair, pair, level=95.0)
    ten = np.arange(10.0), pair[1]
    with pytest.raises(ValueError, match="same ID images in the same order, got 10 and 1 scores"):
        delong_test(ten, (ten[0][:1], pair[1]))
    with pytest.raises(ValueError, match="same OOD images in the same order, got 2 and 1 scores"):
        delong_test(pair, (pair[0], pair[1][:1]))
    with pytest.raises(ValueError, match="OOD scores must be finite"):
        delong_test(pair, (pair[0], np.array([np.nan, 1.0])))
