import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.detectors import row_blocks, rows
from pipeline.detectors.gaussians import ClassGaussians, class_sums
from pipeline.detectors.row_blocks import sum_blocks
from pipeline.detectors.rows import ChangedRows, held, take_rows

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((700, 6)).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    for module in (row_blocks, rows):
        monkeypatch.setattr(module, "_ROWS", 32)


def count_and_total(features, **options):
    return sum_blocks(features, lambda _, block: (len(block), block.sum(axis=0)), **options)


def test_a_sum_by_hand():
    """Rows 1 and 2 of (0, 1), (2, 3), (4, 5), less 1 each."""
    count, total = count_and_total(
        np.arange(6.0).reshape(3, 2), shift=1.0, where=np.array([False, True, True])
    )
    assert count == 2
    np.testing.assert_array_equal(total, [4, 6])


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.usefixtures("small_blocks")
def test_lanes_and_blocks_change_no_sum(threads):
    with threadpool_limits(threads, user_api="blas"):
        count, total = count_and_total(ROWS, where=np.arange(700) % 3 > 0)
    assert count == 466
    np.testing.assert_allclose(
        total, ROWS[np.arange(700) % 3 > 0].astype(np.float64).sum(0), rtol=1e-12
    )


@pytest.mark.usefixtures("small_blocks")
def test_every_row_is_met_once_at_its_own_place():
    met = np.zeros(700, np.int64)

    def note(at, block):
        met[at] += (block[:, 0] == ROWS[at, 0].astype(np.float64)).astype(np.int64)
        return ()

    with threadpool_limits(3, user_api="blas"):
        sum_blocks(ROWS, note, where=np.arange(700) != 123)

    np.testing.assert_array_equal(np.flatnonzero(met != 1), [123])


@pytest.mark.usefixtures("small_blocks")
def test_blas_has_its_threads_back_afterwards():
    with threadpool_limits(3, user_api="blas"):
        sum_blocks(ROWS, lambda _, block: (block.T @ block,))
        after = {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}
    assert after == {3}


@pytest.mark.parametrize(("n", "width", "threads"), [(100_000, 768, 2), (10**6, 2048, 64)])
def test_lanes_get_equal_shares_within_the_memory(n, width, threads):
    lanes, size = row_blocks._grid(n, width, threads)
    assert lanes == min(threads, 16)
    assert 8 * width * lanes * size <= 256 << 20
    rounds = -(-n // (lanes * size))
    assert n > lanes * size * rounds - lanes * rounds


def test_very_wide_rows_are_left_to_the_threads_of_blas():
    assert row_blocks._grid(10**6, 8192, 64)[0] == 1


@pytest.mark.usefixtures("small_blocks")
def test_computed_rows_are_as_good_as_an_array():
    doubled = ChangedRows(ROWS, lambda rows, _: 2 * rows[:, :2], 2)
    assert (len(doubled), doubled.shape) == (700, (700, 2))
    labels = np.arange(700) % 4

    np.testing.assert_array_equal(held(doubled), 2 * ROWS[:, :2])
    chosen = np.array([0, 31, 32, 699])
    np.testing.assert_array_equal(take_rows(doubled, chosen), 2 * ROWS[chosen, :2])
    np.testing.assert_array_equal(
        class_sums(doubled, labels, 4), class_sums(2 * ROWS[:, :2], labels, 4)
    )
    for ours, expected in zip(
        vars(ClassGaussians.fit(doubled, labels)[0]).values(),
        vars(ClassGaussians.fit(2 * ROWS[:, :2], labels)[0]).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, expected)


def test_many_rows_are_not_held(monkeypatch):
    monkeypatch.setattr(rows, "_HELD", 700 * 2 * 4 - 1)
    doubled = ChangedRows(ROWS, lambda rows, _: 2 * rows[:, :2], 2)
    assert held(doubled) is doubled


@pytest.mark.usefixtures("small_blocks")
def test_what_cannot_be_summed_is_named():
    with pytest.raises(ValueError, match="bank must have at least one row, got none"):
        count_and_total(ROWS[:0], what="bank")
    bad = ROWS.copy()
    bad[600, 2] = np.inf
    with pytest.raises(ValueError, match="bank must be finite, but row 600 holds NaN or inf"):
        count_and_total(bad, what="bank")
    with pytest.raises(ValueError, match="too large for sums in float64; scale them down"):
        sum_blocks(np.full((3, 2), 1e200), lambda _, block: (block.T @ block,))
