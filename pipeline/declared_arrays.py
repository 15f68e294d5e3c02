"""Arrays from a file, against the dtypes and shapes that signatures declare for them."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np


def check_arrays(
    arrays: Mapping[str, np.ndarray],
    declared: Mapping[str, Any],
    *,
    sizes: Mapping[str, int] | None = None,
    optional: Collection[str] = (),
    positive: Collection[str] = (),
) -> dict[str, int]:
    """Refuse arrays that are missing, undeclared, of another dtype or shape, or not finite.

    Args:
        arrays: By name, as read.
        declared: Hints such as ``Float32[np.ndarray, "c d"]`` by name: equal letters, equal sizes.
        sizes: Axes that are known already.
        optional: Names that may be missing.
        positive: Names whose values must be above 0.

    Returns:
        The size of every axis.

    Raises:
        ValueError: Says rule and value; which file it is and how to mend it, the caller knows.
    """
    listed = ", ".join(sorted(declared))
    if missing := sorted(set(declared) - set(arrays) - set(optional)):
        raise ValueError(f"must hold the arrays {listed}; '{missing[0]}' is missing")
    if unknown := sorted(set(arrays) - set(declared)):
        raise ValueError(f"must hold the arrays {listed}; '{unknown[0]}' is none of them")
    known = dict(sizes or {})
    for name, hint in declared.items():
        if name in arrays:
            _check_array(name, arrays[name], hint, known)
            if name in positive and (arrays[name] <= 0).any():
                raise ValueError(f"'{name}' must be above 0, got {arrays[name].min()}")
    return known


def _check_array(name: str, array: np.ndarray, hint: Any, known: dict[str, int]) -> None:
    """Check one array, and note the sizes of its axes."""
    if array.dtype.name not in hint.dtypes:
        raise ValueError(f"'{name}' must be {' or '.join(hint.dtypes)}, got {array.dtype}")
    axes = hint.dim_str.split()
    shape = " ".join(f"{axis}={known[axis]}" if axis in known else axis for axis in axes)
    if array.ndim != len(axes) or any(
        known.setdefault(axis, size) != size for axis, size in zip(axes, array.shape, strict=True)
    ):
        raise ValueError(f"'{name}' must have the shape [{shape}], got {list(array.shape)}")
    if not (finite := np.isfinite(array)).all():
        raise ValueError(f"'{name}' must be finite, got {array[~finite][0]}")
