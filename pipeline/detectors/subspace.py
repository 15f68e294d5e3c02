"""The directions in which in-distribution features hardly vary."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.row_blocks import sum_blocks
from pipeline.detectors.rows import Rows
from pipeline.geometry import check_finite
from pipeline.products import row_products

_BLOCK = 8192


class NoResidualError(ValueError):
    """A residual that a bank or a head does not give, with the reason to show in the tables."""


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
        features: Float[Rows, "n d"],
        *,
        origin: Float[np.ndarray, " d"] | None = None,
        dimension: int | None = None,
        rounding: Float64[np.ndarray, "d d"] | None = None,
    ) -> "ResidualSpace":
        """Drop the ``dimension`` principal directions of the features around the origin.

        Args:
            features: In-distribution features, in memory or read block by block.
            origin: None for their mean (PCA); ViM takes the point where the head's logits vanish.
            dimension: Of the principal subspace. None for ViM's rule: 1000 from 2048 dimensions
                on, 512 from 768 on, half of them below.
            rounding: Covariance that rounding may have put into the features; None for none.

        Raises:
            ValueError: If the dimension leaves no residual, or a value is not finite.
            NoResidualError: If the features have a single dimension, or no variance outside the
                subspace, so that what was called residual would be rounding: always so with fewer
                rows than dimensions.
        """
        n, d = features.shape
        if d < 2:
            raise NoResidualError(
                "a residual needs at least 2 dimensions, one for the principal subspace and one "
                f"outside, got features of {d}; leave out scores that need a residual"
            )
        rule = 1000 if d >= 2048 else 512 if d >= 768 else d // 2
        kept = rule if dimension is None else dimension
        if not 1 <= kept < d:
            raise ValueError(
                f"the principal subspace must have between 1 and {d - 1} of {d} dimensions, "
                f"got {kept}"
            )
        cure = f"use more, and more varied, images or a fit.residual_dimension below {kept}"
        if n <= kept:
            raise NoResidualError(
                f"a principal subspace of {kept} of {d} dimensions needs more than {kept} ID "
                f"training images, got {n}; {cure}"
            )
        if origin is None:
            origin = sum_blocks(features, lambda _, block: (block.sum(axis=0),))[0] / n
        centre = np.asarray(origin, np.float64)
        gram = sum_blocks(features, lambda _, block: (block.T @ block,), shift=centre)[0]
        variances, axes = np.linalg.eigh(gram / n)  # ascending
        axes = axes[:, : d - kept]
        noise = 0.0 if rounding is None else np.einsum("di,di->", axes, rounding @ axes)
        outside = max(variances[: d - kept].sum(), 0)
        share = outside / max(variances.sum(), np.finfo(np.float64).tiny)
        if share <= d * np.finfo(np.float64).eps or outside <= noise:
            raise NoResidualError(
                f"{n} ID training images have no variance but rounding (a share of {share:.0e}) "
                f"outside a principal subspace of {kept} of {d} dimensions; {cure}"
            )
        return cls(centre, np.ascontiguousarray(axes))

    def norms(self, queries: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, " n"]:
        """Distance of each row to the principal subspace."""
        check_finite(queries, "queries")
        norms = np.empty(len(queries))
        for start in range(0, len(queries), _BLOCK):
            part = slice(start, start + _BLOCK)
            outside = row_products(queries[part] - self.origin, self.basis)
            norms[part] = np.linalg.norm(outside, axis=1)
        return norms


def vanishing_point(
    weight: Float[np.ndarray, "c d"], bias: Float[np.ndarray, " c"]
) -> Float64[np.ndarray, " d"]:
    """The point of least norm where the logits come closest to zero: minus pinv(W) b."""
    return -np.linalg.pinv(weight.astype(np.float64)) @ bias.astype(np.float64)
