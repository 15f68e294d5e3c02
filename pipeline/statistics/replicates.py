"""Bootstrap replicates in records that are kept in git: short integers, read back as fractions."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

REPLICATE_UNIT = 1e-4  # a hundredth of a percentage point


def stored(replicates: Float[np.ndarray, " b"]) -> list[int]:
    """Write replicates as integers of `REPLICATE_UNIT`."""
    return np.rint(replicates / REPLICATE_UNIT).astype(int).tolist()


def restored(replicates: Sequence[int]) -> Float[np.ndarray, " b"]:
    """Read what `stored` wrote."""
    return np.asarray(replicates, dtype=np.float64) * REPLICATE_UNIT
