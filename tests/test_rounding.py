import numpy as np
import pytest

from pipeline.detectors.head_rows import logits_of
from pipeline.detectors.rounding import rounding_covariance
from pipeline.detectors.rows import unit_rows
from pipeline.training.heads import Probe

ROWS = np.random.default_rng(0).standard_normal((4000, 6)) * [1, 2, 4, 8, 16, 32] + 5
STORED = ROWS.astype(np.float16).astype(np.float32)


def test_by_hand():
    """u = 2^-11: values of 1 and 3 have a mean square of 5."""
    rows = np.array([[1.0, 4.0], [3.0, 4.0]], np.float32)
    np.testing.assert_allclose(
        rounding_covariance(rows, dtype="float16"), np.diag([5, 16]) / 2.0**22
    )
    np.testing.assert_allclose(
        rounding_covariance(rows, dtype="float32"), np.diag([5, 16]) / 2.0**48
    )


def test_it_bounds_what_rounding_did():
    """The mean square of the error is a twelfth to a third of the bound."""
    bound = np.diag(rounding_covariance(STORED, dtype="float16"))
    share = np.mean((STORED - ROWS) ** 2, axis=0) / bound
    assert (share > 1 / 12).all()
    assert (share < 1 / 3).all()


@pytest.mark.parametrize("what", ["logits", "unit", "unit logits"])
def test_computed_rows_are_moved_by_the_rounding_of_the_stored(what):
    rng = np.random.default_rng(1)
    head = Probe(*(rng.uniform(0.5, 2, s).astype(np.float32) for s in [(3, 6), 3, 6, 6]))

    def rows(stored):
        computed = logits_of(stored, head) if "logits" in what else stored
        return unit_rows(computed) if "unit" in what else computed

    error = rows(STORED)[:].astype(np.float64) - rows(ROWS.astype(np.float32))[:]
    happened = error.T @ error / len(error)

    bound = rounding_covariance(rows(STORED), dtype="float16")

    share = np.diag(happened) / np.diag(bound)
    assert (share > 1 / 14).all()
    assert (share < 1 / 2.8).all()
    np.testing.assert_array_equal(bound, rounding_covariance(rows(STORED), dtype="float16"))
