import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.detectors import quantile
from pipeline.detectors.quantile import exact_quantile

NUMBERS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, 1e-42]),
)


def test_by_hand():
    """Sorted -2, -1, 0, 10: the median lies between -1 and 0, the 0.9 quantile at place 2.7."""
    rows = np.array([[10, -1], [0, -2]], np.float32)
    assert exact_quantile(rows, quantile=0.5) == -0.5
    assert exact_quantile(rows, quantile=0.9) == pytest.approx(7)


@given(NUMBERS, st.floats(0.01, 0.99))
def test_agrees_with_numpy(rows, share):
    expected = np.quantile(rows.astype(np.float64), share)
    atol = 1e-12 * np.abs(rows).max()
    np.testing.assert_allclose(
        exact_quantile(rows, quantile=share), expected, rtol=1e-12, atol=atol
    )


def test_order_and_blocks_of_the_rows_change_nothing(monkeypatch):
    """Labels dealt in turn, as a balanced index lists them: every second row would miss a class."""
    rng = np.random.default_rng(0)
    rows = (rng.random((30_000, 3)) + 10 * (np.arange(30_000) % 2)[:, None]).astype(np.float32)
    found = exact_quantile(rows, quantile=0.9)
    monkeypatch.setattr(quantile, "_ROWS", 7001)
    assert found == exact_quantile(rows[rng.permutation(30_000)], quantile=0.9)
    assert found == pytest.approx(np.quantile(rows.astype(np.float64), 0.9), rel=1e-12)
    assert found > 10


def test_refusals():
    with pytest.raises(ValueError, match="features must be finite, but row 1 holds NaN"):
        exact_quantile(np.array([[1.0], [np.nan]], np.float32), quantile=0.5)
    with pytest.raises(ValueError, match="at least one row, got none"):
        exact_quantile(np.empty((0, 3), np.float32), quantile=0.5)
