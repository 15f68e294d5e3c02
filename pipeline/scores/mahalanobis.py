"""Mahalanobis distance to the nearest class."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.gaussians import ClassGaussians
from pipeline.detectors.query import Query
from pipeline.geometry import unit_norm
from pipeline.scores.needs import Needs

NEEDS = Needs(fitted={"gaussians": "gaussians"})


def mahalanobis_scores(
    features: Float[np.ndarray, "n d"], gaussians: ClassGaussians
) -> Float64[np.ndarray, " n"]:
    """Minus the squared Mahalanobis distance to the nearest class mean.

    Lee et al. (NeurIPS 2018, arXiv:1807.03888), last layer only, without input perturbation: one
    covariance shared by all classes. With pseudo-labels or k-means clusters as classes (Sehwag
    et al., SSD, ICLR 2021, arXiv:2103.12051) it needs no labels.

    Args:
        features: In the space that the Gaussians were fitted in.
        gaussians: Means and shared covariance.

    Returns:
        Values up to 0, higher = more in-distribution.

    Raises:
        ValueError: If a feature is not finite.
    """
    return -gaussians.distances(features)[0]


def fitted(query: Query, name: str) -> tuple[Float[np.ndarray, "n d"], ClassGaussians]:
    """The detector's Gaussians of that name, and before them the queries in their space.

    Args:
        query: What is scored, with its detector.
        name: An entry of the section ``fit.gaussians``.

    Raises:
        NotApplicableError: If this backbone cannot have them.
    """
    gaussians = ClassGaussians(**query.detector.part("gaussians", name))
    facts = query.detector.facts[f"gaussians/{name}"]
    space = query.features if facts["space"] == "features" else query.logits(facts["space"])
    return unit_norm(space) if facts["norm"] == "unit" else space, gaussians


def score(query: Query, *, gaussians: str = "labels") -> Float64[np.ndarray, " n"]:
    """Mahalanobis under one entry of the section ``fit.gaussians``."""
    return mahalanobis_scores(*fitted(query, gaussians))
