import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from pipeline.detectors import block_search, faiss_search
from pipeline.detectors.neighbours import nearest, nearest_in_shards
from pipeline.geometry import unit_norm


def units(n, d=6, seed=0):
    return unit_norm(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def test_three_directions_on_the_plane():
    """The bank holds east and north; the queries look east, north-east and west."""
    bank = np.array([[1, 0], [0, 1]], np.float32)
    queries = unit_norm(np.array([[1, 0], [1, 1], [-1, 0]], np.float32))

    found = nearest(queries, bank, k=2)

    expected = [[1, 0], [np.sqrt(0.5), np.sqrt(0.5)], [0, -1]]
    np.testing.assert_allclose(found.similarities, expected, atol=1e-6)
    np.testing.assert_array_equal(found.rows, [[0, 1], [0, 1], [1, 0]])


@pytest.mark.parametrize("engine", ["blocks", "faiss"])
def test_agrees_with_scikit_learn(engine):
    queries, bank = units(50, seed=1), units(400, seed=2)
    distance, rows = NearestNeighbors(n_neighbors=9, metric="cosine").fit(bank).kneighbors(queries)

    found = nearest(queries, bank, k=9, engine=engine)

    np.testing.assert_allclose(found.similarities, 1 - distance, atol=1e-5)
    np.testing.assert_array_equal(found.rows, rows)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_agrees_with_the_definition_whatever_the_blocks(data):
    """Also where many bank rows beat the bar at once, as in a bank sorted by class."""
    n, m = data.draw(st.integers(1, 9)), data.draw(st.integers(2, 70))
    k = data.draw(st.integers(1, m - 1))
    queries, bank = units(n, 3, seed=n), units(m, 3, seed=m)
    bank = bank[np.argsort(bank @ queries[0])]
    own = np.array(data.draw(st.lists(st.integers(-1, m - 1), min_size=n, max_size=n)))
    cuts = sorted(data.draw(st.sets(st.integers(1, m - 1), max_size=3)))
    shards = [(a, bank[a:b]) for a, b in zip([0, *cuts], [*cuts, m], strict=True)]
    sizes = [data.draw(st.integers(1, 20)) for _ in range(4)]
    with pytest.MonkeyPatch.context() as patch:
        for name, size in zip(["GRID", "_QUERIES", "_FIRST", "_BANK"], sizes, strict=True):
            patch.setattr(block_search, name, size)
        found = nearest_in_shards(queries, shards, k=k, exclude=own, engine="blocks")

    for query in range(n):
        similarities = bank @ queries[query]
        if own[query] >= 0:
            similarities[own[query]] = -np.inf
        best = np.sort(similarities)[::-1][:k]
        np.testing.assert_allclose(found.similarities[query], best, atol=1e-6)
        np.testing.assert_allclose(bank[found.rows[query]] @ queries[query], best, atol=1e-6)
        assert own[query] not in found.rows[query]
        assert len(set(found.rows[query])) == k


@pytest.mark.parametrize("piece", [1, 500, 1 << 30])
def test_faiss_gets_the_bank_in_larger_pieces(piece, monkeypatch):
    queries, bank = units(20, seed=6), units(100, seed=7)
    monkeypatch.setattr(faiss_search, "_PIECE", piece)
    shards = [(start, bank[start : start + 7]) for start in range(0, 100, 7)]

    found = nearest_in_shards(queries, shards, k=9, exclude=np.arange(20), engine="faiss")

    expected = nearest(queries, bank, k=9, exclude=np.arange(20), engine="blocks")
    np.testing.assert_array_equal(found.rows, expected.rows)


def test_the_order_of_the_bank_does_not_matter():
    queries, bank = units(20, seed=3), units(300, seed=4)
    order = np.random.default_rng(5).permutation(300)

    plain, shuffled = nearest(queries, bank, k=7), nearest(queries, bank[order], k=7)

    np.testing.assert_allclose(plain.similarities, shuffled.similarities, atol=1e-6)
    np.testing.assert_array_equal(plain.rows, order[shuffled.rows])


@pytest.mark.parametrize("engine", ["blocks", "faiss"])
def test_a_query_from_the_bank_does_not_find_itself(engine):
    bank = units(30)

    found = nearest(bank, bank, k=29, exclude=np.arange(30), engine=engine)

    assert all(set(rows) == set(range(30)) - {own} for own, rows in enumerate(found.rows))


@pytest.mark.parametrize("k", [0, 6])
def test_k_beyond_the_bank_is_refused(k):
    with pytest.raises(ValueError, match=f"k must be between 1 and the 5 .* got {k}"):
        nearest(units(2), units(5), k=k)


def test_excluding_oneself_leaves_one_fewer():
    with pytest.raises(ValueError, match="between 1 and the 4 bank features"):
        nearest(units(5), units(5), k=5, exclude=np.arange(5))


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="known: auto, blocks, faiss, ivf, hnsw"):
        nearest(units(2), units(5), k=1, engine="gpu")


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_an_approximate_search_knows_its_recall(kind):
    bank = units(2000, 4)
    own = np.arange(300)

    found = nearest(bank[:300], bank, k=10, exclude=own, engine=kind)

    truth = nearest(bank[:300], bank, k=10, exclude=own)
    hits = np.mean([np.isin(a, b).mean() for a, b in zip(found.rows, truth.rows, strict=True)])
    assert truth.recall is None
    assert found.recall > 0.5
    assert found.recall == pytest.approx(hits, abs=0.05)
    assert not (found.rows == own[:, None]).any()
    expected = np.take_along_axis(bank[:300] @ bank.T, found.rows, axis=1)
    np.testing.assert_allclose(found.similarities, expected, atol=1e-5)
