"""Products of rows: right, and to the bit the same wherever a row stands."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pipeline.lanes import run_lanes
from pipeline.products import filled, row_products

RNG = np.random.default_rng(0)
SIZES = [1, 2, 3, 7, 15, 16, 17, 50, 64, 67, 127, 255, 256, 257, 500, 1023, 1300]


def test_by_hand():
    rows = np.array([[1, 2], [3, 4]], np.float32)
    np.testing.assert_array_equal(
        row_products(rows, np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])), [[1, 2, 3], [3, 4, 7]]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_agrees_with_the_plain_product_in_float64(dtype, order):
    rows = RNG.standard_normal((700, 48)).astype(dtype)
    right = np.asarray(RNG.standard_normal((48, 130)).astype(dtype), order=order)
    expected = rows.astype(np.float64) @ right.astype(np.float64)
    np.testing.assert_allclose(row_products(rows, right), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("width", "columns"), [(5, 1), (96, 10), (96, 96), (512, 3), (768, 101)])
def test_a_row_does_not_depend_on_its_place_or_on_how_many_there_are(threads, width, columns):
    row, right = RNG.standard_normal((1, width)), RNG.standard_normal((width, columns))
    other = RNG.standard_normal((1300, width))
    with threadpool_limits(1, "blas"):
        alone = row_products(row, right)
    with threadpool_limits(threads, "blas"):
        for n in SIZES:
            np.testing.assert_array_equal(row_products(row.repeat(n, 0), right), alone.repeat(n, 0))
            among = other[:n].copy()
            among[::3] = row
            np.testing.assert_array_equal(
                row_products(among, right)[::3], alone.repeat(-(-n // 3), 0)
            )


def test_what_is_not_finite_stays_in_its_row():
    rows = np.ones((5, 3))
    rows[1, 2] = np.nan
    products = row_products(rows, np.ones((3, 2)))
    assert np.isnan(products[1]).all()
    np.testing.assert_array_equal(np.delete(products, 1, axis=0), 3)


def test_no_rows_and_no_columns():
    assert row_products(np.ones((0, 3)), np.ones((3, 2))).shape == (0, 2)
    assert row_products(np.ones((4, 3)), np.ones((3, 0))).shape == (4, 0)


def test_filling_up():
    array = np.ones((3, 5), np.float32)
    assert filled(array, 3) is array
    np.testing.assert_array_equal(filled(array, 2)[:3], array)
    np.testing.assert_array_equal(filled(array, 2)[3], 0)
    assert filled(array.T, 4, axis=1).shape == (5, 4)


def test_an_error_in_a_lane_is_raised():
    def work(lane):
        if lane == 1:
            raise ValueError("in lane 1")

    for threads in (1, 2):
        with threadpool_limits(threads, "blas"), pytest.raises(ValueError, match="in lane 1"):
            run_lanes(work, 2)
