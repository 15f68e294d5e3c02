"""The bank behind neighbour scores: samples of it, and that nothing is read without need."""

import numpy as np
import pytest

from pipeline.detectors.bank import Bank, Sample, balanced_rows, random_rows
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.geometry import unit_norm

FEATURES = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
LABELS = np.repeat([0, 1, 2], [50, 30, 20])


def unread():
    raise AssertionError("read")


def shards():
    return iter([(0, FEATURES[:4]), (4, FEATURES[4:])])


def test_a_random_share():
    some = random_rows(100, alpha=0.25, seed=0)
    assert len(set(some)) == 25
    assert list(some) == sorted(some)
    np.testing.assert_array_equal(random_rows(4, alpha=1.0, seed=0), [0, 1, 2, 3])
    assert len(random_rows(4, alpha=0.01, seed=0)) == 1


def test_a_balanced_share_is_bounded_by_the_smallest_class():
    balanced = balanced_rows(LABELS, alpha=1.0, seed=0)
    np.testing.assert_array_equal(np.bincount(LABELS[balanced]), [20, 20, 20])
    fewer = balanced_rows(LABELS, alpha=0.3, seed=0)
    np.testing.assert_array_equal(np.bincount(LABELS[fewer]), [10, 10, 10])


def test_bad_shares_and_missing_labels_are_refused():
    with pytest.raises(NotApplicableError, match="needs labels, but the bank has unlabelled"):
        balanced_rows(LABELS - 1, alpha=1.0, seed=0)
    for alpha in (0.0, 2.0):
        with pytest.raises(ValueError, match=rf"alpha must be in \(0, 1\], got {alpha}"):
            random_rows(10, alpha=alpha, seed=0)


def test_only_a_balanced_sample_reads_labels():
    bank = Bank(100, unread, unread)
    assert len(bank.rows(Sample(alpha=0.5))) == 50
    with pytest.raises(AssertionError, match="read"):
        bank.rows(Sample(balanced=True))


def test_labels_are_read_once():
    reads = []
    bank = Bank(100, unread, lambda: reads.append(1) or LABELS)
    assert len(bank.rows(Sample(balanced=True))) == 60
    assert len(bank.rows(Sample(balanced=True, seed=1))) == 60
    assert reads == [1]


def test_chosen_rows_are_scaled_and_renumbered():
    rows, factors = np.array([1, 5, 9]), np.arange(10, dtype=np.float32)
    pieces = list(Bank(10, shards, unread).unit_shards(rows, factors))
    assert [start for start, _ in pieces] == [0, 1]
    expected = unit_norm(FEATURES)[rows] * factors[rows, None]
    np.testing.assert_allclose(np.concatenate([part for _, part in pieces]), expected, rtol=1e-6)
    plain = list(Bank(10, shards, unread).unit_shards(np.arange(10), None))
    np.testing.assert_array_equal(np.concatenate([part for _, part in plain]), unit_norm(FEATURES))
