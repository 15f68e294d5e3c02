"""Cosine similarity to the nearest class name."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.geometry import row_norms
from pipeline.products import row_products
from pipeline.scores.needs import Needs

NEEDS = Needs(text=True)


def max_cosine_scores(
    embeddings: Float[np.ndarray, "n e"], class_embeddings: Float[np.ndarray, "c e"]
) -> Float64[np.ndarray, " n"]:
    """Largest cosine between an image and a class.

    The baseline that MCM is compared with (Ming et al., NeurIPS 2022, arXiv:2211.13445, "maximum
    cosine"): without the softmax, the other classes play no part. Embeddings with a large common
    mean have cosines that differ by less than a float32 unit vector's norm does from 1, so that
    each is divided by its norm.

    Args:
        embeddings: Unit vectors of images in the joint space, rounded as they may be.
        class_embeddings: Unit vectors of the ID classes.

    Returns:
        Cosines in [-1, 1], higher = more in-distribution.

    Raises:
        ValueError: If the embedding of an image is zero or not finite.
    """
    norms = row_norms(embeddings, "embeddings")
    return row_products(embeddings, class_embeddings.T).max(axis=1) / norms


def score(query: Query) -> Float64[np.ndarray, " n"]:
    """Nearest of the detector's class embeddings."""
    return max_cosine_scores(query.embeddings, query.class_embeddings)
