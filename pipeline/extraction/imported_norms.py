"""The norms of imported features: all of one backbone are as they came, or all of unit length."""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from pipeline.sources.array_files import FEATURE_NAMES, ImportedFileError, Parts, open_arrays

UNIT_TOLERANCE = 5e-3  # half-precision unit vectors are off by up to 1e-3


class Norms(NamedTuple):
    """Smallest and largest Euclidean norm of all rows, and the convention they show."""

    smallest: float
    largest: float
    norm: Literal["raw", "unit"]


def measure_norm(parts: Parts) -> Norms:
    """Check every row, a block at a time, and measure the norms.

    Raises:
        ImportedFileError: If numbers are not floating point, not finite in float32, or a row is
            zero.
    """
    dtypes = {np.dtype(array.dtype) for array in parts.arrays}  # parts may differ
    if other := sorted(str(kind) for kind in dtypes if not np.issubdtype(kind, np.floating)):
        raise ImportedFileError(
            f"'{parts.path}' must hold floating point features, got {', '.join(other)}; is it a "
            "file of labels or of quantised vectors? Convert features by .astype('float32')"
        )
    smallest, largest = np.inf, 0.0
    for start, block in parts.blocks():
        with np.errstate(over="ignore"):
            rows = block.astype(np.float32).astype(np.float64)
        norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        if not np.isfinite(norms).all():
            bad = np.flatnonzero(~np.isfinite(norms)) + start
            raise ImportedFileError(
                f"'{parts.path}' must be finite; NaN or infinity in {len(bad)} rows of this "
                f"block, the first is row {bad[0]}. Compute those features again or leave the "
                "images out"
            )
        if not norms.all():
            bad = np.flatnonzero(norms == 0) + start
            raise ImportedFileError(
                f"'{parts.path}' has zero rows, which have no direction; the first is row "
                f"{bad[0]} (an interrupted extraction leaves such rows). Compute them again"
            )
        smallest, largest = min(smallest, norms.min()), max(largest, norms.max())
    unit = abs(smallest - 1) < UNIT_TOLERANCE and abs(largest - 1) < UNIT_TOLERANCE
    return Norms(float(smallest), float(largest), "unit" if unit else "raw")


def check_one_norm(
    backbone: str, parts: Parts, measured: Norms, other: Path, *, column: str | None
) -> None:
    """Refuse rows of another norm convention than another file's, before anything is fitted.

    Of the other one block is read, and more only where that leaves a doubt. A file that is not
    there is told when its own turn comes.

    Args:
        backbone: The name in errors.
        parts: Rows of a data set.
        measured: Their norms.
        other: The features file of another data set.
        column: What the array is called in it, where that is unusual.

    Raises:
        ImportedFileError: Naming both files and their conventions.
    """
    if not other.exists():
        return
    others = open_arrays(other, column=column, names=FEATURE_NAMES)
    first = Parts([others.arrays[0].head(1024)], others.path, others.name)
    if measure_norm(first).norm == measured.norm:
        return
    theirs = measure_norm(others)  # a few unit rows may stand first in a raw file
    if theirs.norm != measured.norm:
        raise ImportedFileError(
            f"all features of a backbone must have one norm convention, but the rows of "
            f"'{others.path}' are '{theirs.norm}' (norms from {theirs.smallest:.4g} to "
            f"{theirs.largest:.4g}) and those of '{parts.path}' '{measured.norm}' (from "
            f"{measured.smallest:.4g} to {measured.largest:.4g}); bring all to unit length by "
            f"-S models.{backbone}.normalise=true, or compute one of them again"
        )
