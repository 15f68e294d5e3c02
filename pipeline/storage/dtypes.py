"""Numbers as a store keeps them, refused where they would not be what they were."""

import numpy as np
from jaxtyping import Float, Shaped

DTYPES = ("float16", "float32")
LARGEST_ERROR = 0.01  # of a row's length; rounding normal float16 numbers costs 0.0005 at most
SMALL = 1e-3  # errors of 3e-8 a value are none beside a larger one, up to 100,000 dimensions


def to_dtype(
    block: Shaped[np.ndarray, "b *d"], dtype: str, *, start: int = 0
) -> Float[np.ndarray, "b *d"]:
    """Cast rows for storage.

    Args:
        block: Rows in any floating dtype.
        dtype: "float16" or "float32".
        start: Row number of the first, for the message.

    Raises:
        ValueError: If a value is not finite, or does not fit float16, or a row is made of values so
            small that float16 keeps another row; the message names rows.
    """
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype '{dtype}' for a store; known: {', '.join(DTYPES)}")
    if not np.issubdtype(block.dtype, np.floating):
        raise ValueError(f"features must be floating point numbers, got {block.dtype}")
    with np.errstate(over="ignore"):
        cast = block.astype(dtype, copy=False)
    if np.isfinite(cast).all():
        if dtype == "float16" and block.size:
            _refuse_underflow(block, cast, start)
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


def _refuse_underflow(block: np.ndarray, cast: np.ndarray, start: int) -> None:
    """Refuse rows that came out as others, because below 6e-5 float16 keeps ever fewer digits."""
    small = np.flatnonzero(np.abs(block).reshape(len(block), -1).max(axis=1) < SMALL)
    if not len(small):
        return
    rows = block[small].reshape(len(small), -1).astype(np.float64)  # float32 squares would vanish
    lost = rows - cast[small].reshape(rows.shape)
    length, error = (np.sqrt(np.einsum("nd,nd->n", each, each)) for each in (rows, lost))
    bad = np.flatnonzero(error > LARGEST_ERROR * length)
    if len(bad):
        worst = float((error[bad] / length[bad]).max())
        raise ValueError(
            f"rounding may change a row by {LARGEST_ERROR:.0%} of its length, but "
            f"{_rows(small[bad] + start)} would change by up to {worst:.0%}: {cast.dtype} holds "
            "values below 6.1e-05 with ever fewer digits; set extract.dtype: float32"
        )


def _rows(bad: np.ndarray) -> str:
    """Return 'row 3' or 'rows 3, 5, … (17 in all)'."""
    listed = ", ".join(map(str, bad[:8]))
    if len(bad) == 1:
        return f"row {listed}"
    return f"rows {listed}" + (f", … ({len(bad)} in all)" if len(bad) > 8 else "")
