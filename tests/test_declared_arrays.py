"""Arrays from a file against the signatures that declare them."""

import numpy as np
import pytest
from jaxtyping import Float32, Int64

from pipeline.declared_arrays import check_arrays

DECLARED = {
    "weight": Float32[np.ndarray, "c d"],
    "bias": Float32[np.ndarray, " c"],
    "scale": Float32[np.ndarray, ""],
    "classes": Int64[np.ndarray, " c"],
}
ARRAYS = {
    "weight": np.ones((3, 2), np.float32),
    "bias": np.zeros(3, np.float32),
    "scale": np.full((), 2, np.float32),
    "classes": np.arange(3, dtype=np.int64),
}


def test_axes_take_the_sizes_that_they_have():
    assert check_arrays(ARRAYS, DECLARED) == {"c": 3, "d": 2}
    assert check_arrays(ARRAYS, DECLARED, sizes={"d": 2, "m": 9}) == {"c": 3, "d": 2, "m": 9}


def test_what_is_optional_may_be_missing():
    given = {name: array for name, array in ARRAYS.items() if name != "scale"}
    assert check_arrays(given, DECLARED, optional=("scale",)) == {"c": 3, "d": 2}


@pytest.mark.parametrize(
    ("changed", "sizes", "message"),
    [
        ({"bias": None}, {}, r"must hold the arrays bias, classes, scale, weight; 'bias' is miss"),
        ({"foo": np.ones(1)}, {}, r"must hold the arrays bias, .*; 'foo' is none of them"),
        ({"bias": np.zeros(3)}, {}, "'bias' must be float32, got float64"),
        ({"bias": np.zeros(2, "f4")}, {}, r"'bias' must have the shape \[c=3\], got \[2\]"),
        ({"weight": np.ones(6, "f4")}, {}, r"'weight' must have the shape \[c d\], got \[6\]"),
        ({}, {"d": 5}, r"'weight' must have the shape \[c d=5\], got \[3, 2\]"),
        ({"scale": np.ones(1, "f4")}, {}, r"'scale' must have the shape \[\], got \[1\]"),
        ({"bias": np.array([0, np.nan, 0], "f4")}, {}, "'bias' must be finite, got nan"),
        ({"weight": np.full((3, 2), -np.inf, "f4")}, {}, "'weight' must be finite, got -inf"),
    ],
)
def test_other_arrays_are_refused(changed, sizes, message):
    given = {name: array for name, array in (ARRAYS | changed).items() if array is not None}
    with pytest.raises(ValueError, match=message):
        check_arrays(given, DECLARED, sizes=sizes)


def test_what_must_be_positive_is():
    given = ARRAYS | {"bias": np.array([1, 0, 2], np.float32)}
    with pytest.raises(ValueError, match="'bias' must be above 0, got 0.0"):
        check_arrays(given, DECLARED, positive=("bias",))
