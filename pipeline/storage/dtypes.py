"""Numbers as a store keeps them, refused where they would not be what they were."""

import numpy as np

DTYPES = ("float16", "float32")


def to_dtype(block: np.ndarray, dtype: str, *, start: int = 0) -> np.ndarray:
    """Cast rows for storage.

    Args:
        block: Rows [b d] in any floating dtype.
        dtype: "float16" or "float32".
        start: Row number of the first, for the message.

    Raises:
        ValueError: If a value is not finite, or does not fit float16; the message names rows.
    """
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype '{dtype}' for a store; known: {', '.join(DTYPES)}")
    if not np.issubdtype(block.dtype, np.floating):
        raise ValueError(f"features must be floating point numbers, got {block.dtype}")
    with np.errstate(over="ignore"):
        cast = block.astype(dtype, copy=False)
    if np.isfinite(cast).all():
        return cast
    finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite) + start
        raise ValueError(f"features must be finite; NaN or infinity in {_rows(bad)}")
    bad = np.flatnonzero(~np.isfinite(cast).reshape(len(block), -1).all(axis=1)) + start
    largest = float(np.abs(block).max())
    raise ValueError(
        f"values up to {largest:.6g} do not fit {dtype} (largest 65504) in {_rows(bad)}; "
        "set extract.dtype: float32"
    )


def _rows(bad: np.ndarray) -> str:
    """Return 'row 3' or 'rows 3, 5, … (17 in all)'."""
    listed = ", ".join(map(str, bad[:8]))
    if len(bad) == 1:
        return f"row {listed}"
    return f"rows {listed}" + (f", … ({len(bad)} in all)" if len(bad) > 8 else "")
