"""How far a store's dtype rounds the rows computed from it: variance below that is no signal."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.rows import ChangedRows, Rows, take_rows

_SAMPLE = 8192  # rows that stand for all
_LARGEST_SHARE = 0.01  # of rounding in the variance of a bank
_STEP = np.finfo(np.float16).eps / 2  # relative change by which computed rows are probed


def rounding_covariance(rows: Float[Rows, "n d"], *, dtype: str) -> Float64[np.ndarray, "d d"]:
    """Covariance that rounding the stored values may have put into rows, an upper bound.

    A value x is stored with an error of up to u |x|, u = 2^-11 in float16 and 2^-24 in float32, so
    its mean square, u^2 x^2 at most, is the variance that may be rounding; on average it is a
    sixth of that. Rows computed from stored ones, such as logits, are computed again from values
    that are changed by their bound up or down, drawn with a fixed seed, and are float32 themselves.

    Args:
        rows: Of the store, or computed from them.
        dtype: That the store holds, ``float16`` or ``float32``.
    """
    unit = _unit(dtype)
    stored = _stored(rows)
    some = _sample(stored)
    if stored is rows:
        return np.diag(unit**2 * np.mean(some.astype(np.float64) ** 2, axis=0))
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), size=some.shape)
    before = _computed(rows, some).astype(np.float64)
    moved = (_computed(rows, some * (1 + _STEP * signs)) - before) * (unit / _STEP)
    own = np.diag(_unit("float32") ** 2 * np.mean(before**2, axis=0))
    return moved.T @ moved / len(some) + own


def check_spread(bank: Float[Rows, "m d"], *, dtype: str) -> None:
    """Refuse a bank of which the store kept an offset common to all images, and little else.

    float16 holds 500 in steps of 0.25. No single image shows whether that matters; a bank does,
    since its spread is what every score lives on.

    Raises:
        ValueError: If rounding may be more than a hundredth of the variance.
    """
    some = _sample(bank).astype(np.float64)
    spread = some.var(axis=0).sum()
    rounding = _unit(dtype) ** 2 * np.mean(some**2, axis=0).sum() / 6
    if 0 < spread * _LARGEST_SHARE < rounding:  # equal rows are refused by what needs a spread
        cure = "set extract.dtype: float32" if dtype == "float16" else "subtract their mean"
        raise ValueError(
            f"rounding may be {_LARGEST_SHARE:.0%} of the variance of the bank's features, but a "
            f"{dtype} store rounds by about {rounding / spread:.0%} of it: they vary by "
            f"{np.sqrt(spread / some.shape[1]):.2g} around values of "
            f"{np.sqrt(np.mean(some**2)):.3g}; {cure}"
        )


def _sample(rows: Rows) -> np.ndarray:
    """Rows evenly spread over all."""
    return take_rows(rows, np.arange(0, len(rows), -(-len(rows) // _SAMPLE)))


def _unit(dtype: str) -> float:
    return float(np.finfo(dtype).eps) / 2


def _stored(rows: Any) -> Rows:
    """What rows are computed from in the end."""
    return _stored(rows.source) if isinstance(rows, ChangedRows) else rows


def _computed(rows: Any, stored: np.ndarray) -> np.ndarray:
    """Rows computed from other stored values."""
    if not isinstance(rows, ChangedRows):
        return stored
    return rows.change(_computed(rows.source, stored), 0)
