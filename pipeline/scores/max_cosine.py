"""Cosine similarity to the nearest class name."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.products import row_products


def max_cosine_scores(
    embeddings: Float[np.ndarray, "n e"], class_embeddings: Float[np.ndarray, "c e"]
) -> Float64[np.ndarray, " n"]:
    """Largest cosine between an image and a class.

    The baseline that MCM is compared with (Ming et al., NeurIPS 2022, arXiv:2211.13445, "maximum
    cosine"): without the softmax, the other classes play no part.

    Args:
        embeddings: Unit vectors of images in the joint space.
        class_embeddings: Unit vectors of the ID classes.

    Returns:
        Cosines in [-1, 1], higher = more in-distribution.
    """
    return row_products(embeddings, class_embeddings.T).max(axis=1)


def score(query: Query) -> Float64[np.ndarray, " n"]:
    """Nearest of the detector's class embeddings."""
    return max_cosine_scores(query.embeddings, query.class_embeddings)
