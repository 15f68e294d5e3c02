import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry import check_finite, unit_norm


def test_three_four_five():
    np.testing.assert_allclose(unit_norm(np.array([[3.0, 4.0]])), [[0.6, 0.8]])


@given(st.integers(-25, 25), st.sampled_from([np.float32, np.float64]))
def test_the_direction_is_free_of_scale(power, dtype):
    """Squares of 1e25 overflow float32 and those of 1e-25 vanish; their norms must not."""
    rows = np.array([[1.0, -2.0, 2.0]], dtype) * dtype(10.0**power)

    units = unit_norm(rows)

    assert units.dtype == dtype
    np.testing.assert_allclose(units, [[1 / 3, -2 / 3, 2 / 3]], rtol=1e-5)


def test_a_zero_row_is_named():
    rows = np.ones((20000, 2), np.float32)
    rows[[12345, 15000]] = 0
    with pytest.raises(ValueError, match="queries must have a direction, but row 12345 is zero"):
        unit_norm(rows, what="queries")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_no_number_is_named(bad):
    rows = np.ones((10, 2), np.float32)
    rows[7, 1] = bad
    with pytest.raises(ValueError, match="row 7 holds NaN or infinity"):
        unit_norm(rows)
    with pytest.raises(ValueError, match="bank must be finite, but row 7"):
        check_finite(rows, "bank")


def test_half_precision_is_converted_by_the_caller():
    with pytest.raises(ValueError, match="must be float32 or float64, got float16"):
        unit_norm(np.ones((2, 2), np.float16))


@pytest.mark.parametrize("size", [3e37, 1e-44])
def test_norms_that_no_float32_holds_are_divided_in_float64(size):
    """1000 columns of 3e37 have the norm 9.5e38, beyond the largest float32; a plain row beside."""
    rows = np.full((2, 1000), size, np.float32)
    rows[1] = 2

    units = unit_norm(rows)

    assert units.dtype == np.float32
    np.testing.assert_allclose(units, 1000**-0.5, rtol=1e-6)


def test_rows_of_a_part_are_named_as_those_of_the_whole():
    rows = np.ones((10, 2), np.float32)
    rows[7] = 0
    with pytest.raises(ValueError, match="row 107 is zero"):
        unit_norm(rows, start=100)
    rows[7, 1] = np.nan
    with pytest.raises(ValueError, match="row 107 holds NaN"):
        unit_norm(rows, start=100)
