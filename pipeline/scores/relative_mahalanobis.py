"""Mahalanobis distance to the nearest class, relative to the distance from all of them."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.gaussians import ClassGaussians
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.query import Query
from pipeline.scores.mahalanobis import fitted
from pipeline.scores.needs import Needs

NEEDS = Needs(fitted={"gaussians": "gaussians"})


def relative_mahalanobis_scores(
    features: Float[np.ndarray, "n d"], gaussians: ClassGaussians
) -> Float64[np.ndarray, " n"]:
    """Minus the smallest difference of squared distances: to a class mean less to the centre.

    Ren et al. (2021, arXiv:2106.09022): the second distance is under one Gaussian of all ID
    features, so that directions in which every image varies cancel.

    Args:
        features: In the space that the Gaussians were fitted in.
        gaussians: Means, shared covariance and the covariance of all rows.

    Returns:
        Values of either sign, higher = more in-distribution.

    Raises:
        ValueError: If there is one class only, for both distances are then the same, or a feature
            is not finite.
    """
    if len(gaussians.means) < 2:
        raise ValueError(
            "relative_mahalanobis needs at least two classes, got 1: every score would be zero; "
            "use mahalanobis or knn for a single class"
        )
    nearest, overall = gaussians.distances(features)
    return overall - nearest


def score(query: Query, *, gaussians: str = "labels") -> Float64[np.ndarray, " n"]:
    """Relative Mahalanobis under one entry of the section ``fit.gaussians``.

    Raises:
        NotApplicableError: If all images fell into one pseudo-class or cluster.
    """
    features, classes = fitted(query, gaussians)
    by = query.detector.facts[f"gaussians/{gaussians}"]["classes"]
    if len(classes.means) < 2 and by != "labels":
        raise NotApplicableError(
            f"relative_mahalanobis needs at least two classes, and by {by} the whole bank is one"
        )
    return relative_mahalanobis_scores(features, classes)
