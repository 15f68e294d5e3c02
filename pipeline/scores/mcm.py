"""Maximum concept matching: the softmax over the ID class names."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, check_temperature, softmax_and_rest
from pipeline.products import row_products
from pipeline.scores.allowed import Positive


def mcm_scores(
    embeddings: Float[np.ndarray, "n e"],
    class_embeddings: Float[np.ndarray, "c e"],
    *,
    temperature: float = 1.0,
) -> Float64[np.ndarray, " n"]:
    """Largest softmax probability of cosines / temperature.

    Ming et al. (NeurIPS 2022, arXiv:2211.13445). Raw cosines, no logit scale: at temperature 1
    all scores lie close to 1/c, so cosines are float32 and the softmax float64; in half precision
    twenty thousand images share 180 values.

    Args:
        embeddings: Unit vectors of images in the joint space.
        class_embeddings: Unit vectors of the ID classes.
        temperature: Divisor of the cosines; CLIP's own would be 1 / logit_scale.

    Returns:
        Probabilities in [1/c, 1], higher = more in-distribution.

    Raises:
        ValueError: If the temperature is not positive or there are fewer than two classes.
    """
    check_temperature(temperature)
    cosines = as_logits(row_products(embeddings, class_embeddings.T))
    return softmax_and_rest(cosines / temperature)[0].max(axis=1)


def score(query: Query, *, temperature: Positive = 1.0) -> Float64[np.ndarray, " n"]:
    """MCM against the detector's class embeddings."""
    return mcm_scores(query.embeddings, query.class_embeddings, temperature=temperature)
