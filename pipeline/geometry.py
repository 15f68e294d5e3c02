"""Unit vectors and the checks that every score relies on."""

import numpy as np
from jaxtyping import Float

_BLOCK = 8192  # rows whose float64 copy stays small


def check_finite(values: np.ndarray, what: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        ValueError: Naming ``what``, the first bad row and how many there are.
    """
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        bad = ~np.isfinite(block).reshape(len(block), -1).all(axis=1)
        if bad.any():
            row = start + int(bad.argmax())
            raise ValueError(
                f"{what} must be finite, but row {row} holds NaN or infinity; "
                "remove the image or extract its features again"
            )


def row_norms(features: Float[np.ndarray, "n d"], what: str) -> Float[np.ndarray, " n"]:
    """Euclidean norms in float64, whatever the dtype of the rows.

    Raises:
        ValueError: If a row is zero or not finite; the message names the first one.
    """
    norms = np.empty(len(features), np.float64)
    for start in range(0, len(features), _BLOCK):
        block = features[start : start + _BLOCK].astype(np.float64)
        norms[start : start + _BLOCK] = np.sqrt(np.einsum("nd,nd->n", block, block))
    if not np.isfinite(norms).all():
        check_finite(features, what)
        row = int((~np.isfinite(norms)).argmax())
        raise ValueError(f"{what} must have a finite norm, but row {row} overflows")
    if not norms.all():
        row = int((norms == 0).argmax())
        raise ValueError(
            f"{what} must have a direction, but row {row} is zero; "
            "remove the image or extract its features again"
        )
    return norms


def unit_norm(
    features: Float[np.ndarray, "n d"], *, what: str = "features"
) -> Float[np.ndarray, "n d"]:
    """Rows scaled to Euclidean norm 1, in the dtype given.

    Norms are taken in float64, so that long rows do not overflow and short ones do not vanish.

    Raises:
        ValueError: If a row is zero or not finite, or if the dtype is not float32 or float64.
    """
    if features.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"{what} must be float32 or float64, got {features.dtype}; convert them first"
        )
    return features / row_norms(features, what)[:, None].astype(features.dtype)
