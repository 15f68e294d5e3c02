import numpy as np
import pytest

from pipeline.detectors.head_rows import logits_of
from pipeline.detectors.rounding import check_spread, rounding_covariance
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


def test_an_offset_that_the_store_rounds_to_pieces_is_refused():
    """Spread 0.1 around 500, which float16 holds in steps of 0.25 and float32 in steps of 3e-5."""
    rows = (500 + 0.1 * np.random.default_rng(0).standard_normal((300, 4))).astype(np.float32)
    with pytest.raises(
        ValueError, match=r"about 104% of it: they vary by 0.098 around values of 500"
    ):
        check_spread(rows, dtype="float16")
    check_spread(rows, dtype="float32")
    with pytest.raises(ValueError, match="a float32 store rounds .* subtract their mean"):
        check_spread(rows + np.float32(1e6), dtype="float32")


def test_offsets_of_real_features_and_equal_rows_are_none_of_its_business():
    """One dimension of 100 that hardly varies beside others that do, as transformers have it."""
    rows = ROWS.astype(np.float32)
    rows[:, 0] = 100 + 0.01 * rows[:, 0]
    check_spread(rows, dtype="float16")
    check_spread(np.full((10, 3), 500, np.float32), dtype="float16")
