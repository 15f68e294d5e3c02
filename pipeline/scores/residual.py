"""Distance to the principal subspace of the bank."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.subspace import ResidualSpace
from pipeline.scores.needs import Needs

NEEDS = Needs(fitted={"space": "residuals"})


def residual_scores(
    features: Float[np.ndarray, "n d"], space: ResidualSpace
) -> Float64[np.ndarray, " n"]:
    """Minus the distance of the features to the principal subspace of ID features.

    The "Residual" of Wang et al. (CVPR 2022, arXiv:2203.10807) around the point where a head's
    logits vanish, or, around the mean, the reconstruction error of a PCA, which needs no labels.

    Returns:
        Values up to 0, in units of the features, higher = more in-distribution.

    Raises:
        ValueError: If a feature is not finite.
    """
    return -space.norms(features)


def score(query: Query, *, space: str = "mean") -> Float64[np.ndarray, " n"]:
    """Residual in one of the detector's spaces: ``mean``, or the name of a head."""
    part = query.detector.part("residuals", space)
    return residual_scores(query.features, ResidualSpace(part["origin"], part["basis"]))
