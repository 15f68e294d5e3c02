"""The directions in which in-distribution features hardly vary."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from pipeline.geometry import check_finite

_BLOCK = 8192


@dataclass(frozen=True)
class ResidualSpace:
    """The orthogonal complement of the principal subspace around an origin.

    Attributes:
        origin: Point that the subspace goes through.
        basis: Orthonormal directions outside the principal subspace.
    """

    origin: Float64[np.ndarray, " d"]
    basis: Float64[np.ndarray, "d r"]

    @classmethod
    def fit(
        cls,
        features: Float[np.ndarray, "n d"],
        *,
        origin: Float[np.ndarray, " d"] | None = None,
        dimension: int | None = None,
    ) -> "ResidualSpace":
        """Drop the ``dimension`` principal directions of the features around the origin.

        Args:
            features: In-distribution features.
            origin: None for their mean (PCA); ViM takes the point where the head's logits vanish.
            dimension: Of the principal subspace. None for ViM's rule: 1000 from 2048 dimensions
                on, 512 from 768 on, half of them below.

        Raises:
            ValueError: If the dimension leaves no residual, or a value is not finite.
        """
        check_finite(features, "features")
        n, d = features.shape
        rule = 1000 if d >= 2048 else 512 if d >= 768 else d // 2
        kept = rule if dimension is None else dimension
        if not 1 <= kept < d:
            raise ValueError(
                f"the principal subspace must have between 1 and {d - 1} of {d} dimensions, "
                f"got {kept}"
            )
        centre = features.mean(axis=0, dtype=np.float64) if origin is None else origin
        centre = np.asarray(centre, np.float64)
        gram = np.zeros((d, d))
        for start in range(0, n, _BLOCK):
            block = features[start : start + _BLOCK].astype(np.float64) - centre
            gram += block.T @ block
        _, axes = np.linalg.eigh(gram / n)  # ascending
        return cls(centre, np.ascontiguousarray(axes[:, : d - kept]))

    def norms(self, queries: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, " n"]:
        """Distance of each row to the principal subspace."""
        check_finite(queries, "queries")
        return np.concatenate(
            [
                np.linalg.norm(
                    (queries[start : start + _BLOCK].astype(np.float64) - self.origin) @ self.basis,
                    axis=1,
                )
                for start in range(0, max(len(queries), 1), _BLOCK)
            ]
        )


def vanishing_point(
    weight: Float[np.ndarray, "c d"], bias: Float[np.ndarray, " c"]
) -> Float64[np.ndarray, " d"]:
    """The point of least norm where the logits come closest to zero: minus pinv(W) b."""
    return -np.linalg.pinv(weight.astype(np.float64)) @ bias.astype(np.float64)
