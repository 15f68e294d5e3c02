"""Copies in the bank: chosen by (similarity, bank row), whatever the cut or the engine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detectors import block_search, faiss_search
from pipeline.detectors.knn_classifier import knn_predictions
from pipeline.detectors.neighbours import nearest, nearest_in_shards
from pipeline.geometry import unit_norm

RNG = np.random.default_rng(0)
DISTINCT = unit_norm(RNG.standard_normal((7, 5)).astype(np.float32))
BANK = np.tile(DISTINCT, (40, 1))  # row r is a copy of row r % 7
QUERIES = unit_norm(RNG.standard_normal((150, 5)).astype(np.float32))


def by_definition(queries, k, own=None):
    """Rows by (similarity of the distinct vector, row), one query at a time."""
    similarities = np.tile(queries @ DISTINCT.T, 40)
    if own is not None:
        similarities[np.arange(len(queries)), own] = -np.inf
    return np.stack([np.lexsort((np.arange(280), -row))[:k] for row in similarities])


def test_the_first_of_equal_rows_by_hand():
    """Rows 0, 2 and 4 are the query itself; the lowest two of them are found."""
    bank = np.array([[1, 0], [0, 1]] * 2 + [[1, 0]], np.float32)
    for engine in ("blocks", "faiss"):
        found = nearest(bank[:1], bank, k=2, engine=engine)
        np.testing.assert_array_equal(found.rows, [[0, 2]])


@pytest.mark.parametrize("engine", ["blocks", "faiss"])
@pytest.mark.parametrize("k", [1, 3, 39, 41, 100, 275])
def test_equal_rows_come_in_the_order_of_the_bank(engine, k):
    """Also where faiss, asked for k and some to spare, sees nothing but copies."""
    np.testing.assert_array_equal(
        nearest(QUERIES, BANK, k=k, engine=engine).rows, by_definition(QUERIES, k)
    )


@pytest.mark.parametrize("engine", ["blocks", "faiss"])
@pytest.mark.parametrize("k", [1, 2, 40])
def test_the_query_itself_is_left_out_of_its_copies(engine, k):
    own = np.arange(30) + 100
    found = nearest(BANK[own], BANK, k=k, exclude=own, engine=engine)
    np.testing.assert_array_equal(found.rows, by_definition(BANK[own], k, own))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_cut_of_the_bank_changes_nothing(data):
    """Not even the last bits, also where a shard or a block holds a single row."""
    cuts = sorted(data.draw(st.sets(st.integers(1, 279), max_size=5)))
    shards = [(a, BANK[a:b]) for a, b in zip([0, *cuts], [*cuts, 280], strict=True)]
    k = data.draw(st.integers(1, 280))
    sizes = [data.draw(st.integers(1, 50)) for _ in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        for name, size in zip(["_QUERIES", "_FIRST", "_BANK"], sizes, strict=True):
            patch.setattr(block_search, name, size)
        found = nearest_in_shards(QUERIES, shards, k=k, engine="blocks")

    whole = nearest(QUERIES, BANK, k=k, engine="blocks")
    np.testing.assert_array_equal(found.rows, whole.rows)
    np.testing.assert_array_equal(found.similarities, whole.similarities)


def test_faiss_in_pieces_finds_the_same_copies(monkeypatch):
    monkeypatch.setattr(faiss_search, "_PIECE", 1)
    shards = [(start, BANK[start : start + 33]) for start in range(0, 280, 33)]
    found = nearest_in_shards(QUERIES, shards, k=25, engine="faiss")
    np.testing.assert_array_equal(found.rows, by_definition(QUERIES, 25))


def test_a_vote_of_copies_with_other_labels_does_not_depend_on_the_cut():
    labels = np.repeat([0, 1, 2, 3], 70)
    votes = []
    for size in (1, 13, 90, 280):
        shards = [(start, BANK[start : start + size]) for start in range(0, 280, size)]
        found = nearest_in_shards(QUERIES, shards, k=20)
        votes.append(knn_predictions(found.similarities, labels[found.rows]))
    for other in votes[1:]:
        np.testing.assert_array_equal(other, votes[0])


def test_a_k_beyond_all_memory_is_refused_first():
    with pytest.raises(ValueError, match="between 1 and the 280 bank features .* got 10000000000"):
        nearest(QUERIES, BANK, k=10**10)


def test_a_bank_of_known_size_is_not_read_for_a_k_beyond_it():
    def shards():
        raise AssertionError("read")
        yield

    with pytest.raises(ValueError, match="between 1 and the 5 .* got 6"):
        nearest_in_shards(QUERIES, shards(), k=6, size=5)
