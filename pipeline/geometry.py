"""Unit vectors and the checks that every score relies on."""

from typing import Any

import numpy as np
from jaxtyping import Float

_BLOCK = 8192  # rows whose float64 copy stays small


def check_finite(values: Any, what: str, *, start: int = 0) -> None:
    """Refuse NaN and infinity.

    Args:
        values: An array [n ...], or what gives slices of consecutive rows as one.
        what: Their name in the error.
        start: Number of the first row, where the values are a part of more.

    Raises:
        ValueError: Naming ``what`` and the first bad row.
    """
    for low in range(0, len(values), _BLOCK):
        block = values[low : low + _BLOCK]
        bad = ~np.isfinite(block).reshape(len(block), -1).all(axis=1)
        if bad.any():
            row = start + low + int(bad.argmax())
            raise ValueError(
                f"{what} must be finite, but row {row} holds NaN or infinity; "
                "remove the image or extract its features again"
            )


def row_norms(
    features: Float[np.ndarray, "n d"], what: str, *, start: int = 0
) -> Float[np.ndarray, " n"]:
    """Euclidean norms in float64, whatever the dtype of the rows, the first being row ``start``.

    Raises:
        ValueError: If a row is zero or not finite; the message names the first one.
    """
    norms = np.empty(len(features), np.float64)
    for low in range(0, len(features), _BLOCK):
        block = features[low : low + _BLOCK].astype(np.float64)
        norms[low : low + _BLOCK] = np.sqrt(np.einsum("nd,nd->n", block, block))
    if not np.isfinite(norms).all():
        check_finite(features, what, start=start)
        row = start + int((~np.isfinite(norms)).argmax())
        raise ValueError(f"{what} must have a finite norm, but row {row} overflows")
    if not norms.all():
        row = start + int((norms == 0).argmax())
        raise ValueError(
            f"{what} must have a direction, but row {row} is zero; "
            "remove the image or extract its features again"
        )
    return norms


def unit_norm(
    features: Float[np.ndarray, "n d"], *, what: str = "features", start: int = 0
) -> Float[np.ndarray, "n d"]:
    """Rows scaled to Euclidean norm 1, in the dtype given.

    Norms are taken in float64, so that long rows do not overflow and short ones do not vanish.

    Args:
        features: Rows of any scale that their dtype holds.
        what: Their name in errors.
        start: Number of the first row, where the features are a part of more.

    Raises:
        ValueError: If a row is zero or not finite, or if the dtype is not float32 or float64.
    """
    if features.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"{what} must be float32 or float64, got {features.dtype}; convert them first"
        )
    norms = row_norms(features, what, start=start)
    limits = np.finfo(features.dtype)
    extreme = (norms > limits.max) | (norms < limits.tiny)  # no full float32 equals them
    units = features / np.where(extreme, 1, norms)[:, None].astype(features.dtype)
    if extreme.any():
        units[extreme] = features[extreme].astype(np.float64) / norms[extreme, None]
    return units
