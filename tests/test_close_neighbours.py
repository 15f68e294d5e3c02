"""Neighbours in a bank whose rows lie close together, as features with a large common mean do."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pipeline.detectors.bank import Bank, Sample
from pipeline.detectors.neighbours import nearest, nearest_in_shards
from pipeline.detectors.search import Search, Weights
from pipeline.geometry import unit_norm
from pipeline.scores.knn import knn_scores
from pipeline.statistics.metrics import auroc

RNG = np.random.default_rng(0)


def around(mean, n, d=32, spread=1.0):
    return (mean + spread * RNG.standard_normal((n, d))).astype(np.float32)


def distances(queries, bank):
    """1 - cosine in float64, as half of the squared distance of unit vectors."""
    queries, bank = (unit_norm(rows.astype(np.float64)) for rows in (queries, bank))
    centre = bank.mean(axis=0)
    queries, bank = queries - centre, bank - centre
    squares = (queries**2).sum(axis=1)[:, None] + (bank**2).sum(axis=1)
    return (squares - 2 * queries @ bank.T) / 2


CLOSE = unit_norm(around(100, 10_000, d=5))
WHOLE = nearest(CLOSE[:9], CLOSE, k=5)

SPREAD = RNG.standard_normal((2000, 8)) * [9, 6, 3, 1, 1, 1, 1, 1]
FAR, NEAR = (unit_norm((mean + SPREAD).astype(np.float32)) for mean in (0, 10_000))


def test_by_hand():
    """Angles of 0 and 30 microradians, seen from 10: 1 - cos is half of the angle's square."""
    angles = np.array([[0.0], [3e-5], [1e-5]])
    rows = np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = nearest(rows[2:], rows[:2], k=2)
    np.testing.assert_array_equal(found.rows, [[0, 1]])
    np.testing.assert_allclose(1 - found.similarities, [[5e-11, 2e-10]], rtol=1e-4)


@pytest.mark.parametrize("engine", ["blocks", "faiss"])
@pytest.mark.parametrize("mean", [0, 3, 10, 100, 1000])
def test_agrees_with_float64_whatever_the_mean(mean, engine):
    bank, queries = around(mean, 3000), around(mean, 300)
    own = np.where(np.arange(300) % 2, np.arange(300), -1)
    queries[1::2] = bank[1:300:2]
    expected = distances(queries, bank)
    expected[own >= 0, own[own >= 0]] = np.inf

    found = nearest(unit_norm(queries), unit_norm(bank), k=7, exclude=own, engine=engine)

    typical = np.median(expected)
    np.testing.assert_allclose(
        1 - found.similarities, np.sort(expected, axis=1)[:, :7], rtol=0, atol=1e-3 * typical
    )
    assert found.similarities.dtype == (np.float64 if mean >= 10 else np.float32)


def test_separates_as_in_float64():
    """Spread 0.05 around a mean of 100: cosines in float32 gave 0.83 of 0.94."""
    centres = RNG.standard_normal((6, 32))

    def rows(n, spread):
        noise = spread * RNG.standard_normal((n, 32))
        return (100 + 0.05 * (centres[np.arange(n) % 6] + noise)).astype(np.float32)

    bank, queries, others = rows(600, 1.0), rows(200, 1.0), rows(200, 1.4)
    exact = [-distances(some, bank).min(axis=1) for some in (queries, others)]
    scores = [
        knn_scores(nearest(unit_norm(some), unit_norm(bank), k=1).similarities, k=1)
        for some in (queries, others)
    ]
    assert auroc(*scores) == pytest.approx(auroc(*exact), abs=1e-3)
    assert spearmanr(np.concatenate(scores), np.concatenate(exact))[0] > 0.99999


def test_a_query_far_from_the_bank_has_its_cosine():
    bank = unit_norm(around(100, 500))
    queries = unit_norm(around(0, 40))
    np.testing.assert_allclose(
        nearest(queries, bank, k=3).similarities,
        np.sort(queries.astype(np.float64) @ bank.T.astype(np.float64), axis=1)[:, :-4:-1],
        atol=3e-7,
    )


def test_rows_of_other_norms_keep_their_products():
    """Weights of the bank scale its similarities, also where they hardly differ."""
    bank, queries = unit_norm(around(100, 500)), unit_norm(around(100, 40))
    for weights in (np.linspace(5, 5.1, 500), np.full(500, 1 + 1e-4), np.linspace(0, 9, 500)):
        weighted = bank * weights.astype(np.float32)[:, None]
        expected = queries.astype(np.float64) @ weighted.T.astype(np.float64)
        found = nearest(queries, weighted, k=500)
        np.testing.assert_allclose(found.similarities, -np.sort(-expected, axis=1), rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(1, 9999), max_size=4))
def test_the_cut_of_the_bank_changes_nothing(cuts):
    edges = [0, *sorted(cuts), 10_000]
    shards = [(a, CLOSE[a:b]) for a, b in pairwise(edges)]
    found = nearest_in_shards(CLOSE[:9], shards, k=5, engine="blocks")
    np.testing.assert_array_equal(found.rows, WHOLE.rows)
    np.testing.assert_array_equal(found.similarities, WHOLE.similarities)


def test_samples_and_weights_of_a_search():
    rows, queries = around(300, 400), around(300, 30)
    bank = Bank(400, lambda: iter([(0, rows[:150]), (150, rows[150:])]), lambda: np.arange(400) % 4)
    search = Search(queries, bank, deepest=9)
    for sample in (Sample(), Sample(alpha=0.3), Sample(alpha=0.5, balanced=True)):
        expected = np.sort(distances(queries, rows[bank.rows(sample)]), axis=1)
        found = search.nearest(9, sample=sample, engine="auto").similarities
        np.testing.assert_allclose(1 - found, expected[:, :9], rtol=1e-3)
    weights = Weights("head", np.linspace(2, 3, 400).astype(np.float32))
    guidance = search.nearest(9, weights=weights, engine="auto").similarities
    np.testing.assert_allclose(guidance, np.tile(weights.factors[:-10:-1], (30, 1)), rtol=1e-4)


def test_rows_far_apart_are_compared_as_they_are():
    bank, queries = unit_norm(around(2, 500)), unit_norm(around(2, 40))
    found = nearest(queries, bank, k=1)
    assert found.similarities.dtype == np.float32
    np.testing.assert_allclose(found.similarities[:, 0], (queries @ bank.T).max(axis=1), rtol=1e-6)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_an_approximate_search_of_close_rows_says_what_float32_loses(kind):
    rows = [nearest(units, units, k=10, engine=kind).recall for units in (FAR, NEAR)]
    assert rows[0] > 0.9
    assert rows[1] < 0.7
