"""Maximum concept matching: the softmax over the ID class names."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import check_temperature
from pipeline.geometry import check_finite
from pipeline.products import row_products
from pipeline.scores.allowed import Positive
from pipeline.scores.msp import msp_log_odds, msp_scores
from pipeline.scores.needs import Needs

NEEDS = Needs(text=True)


def mcm_scores(
    embeddings: Float[np.ndarray, "n e"],
    class_embeddings: Float[np.ndarray, "c e"],
    *,
    temperature: float = 1.0,
) -> Float64[np.ndarray, " n"]:
    """Largest softmax probability of cosines / temperature, as defined.

    Ming et al. (NeurIPS 2022, arXiv:2211.13445). Raw cosines, no logit scale: at temperature 1
    all scores lie close to 1/c, so cosines and softmax are float64; in half precision twenty
    thousand images share 180 values. At 0.01 a lead of 0.37 in cosine gives 1.0 exactly, at 0.001
    one of 0.04, and images tie; `mcm_log_odds` ranks them all and is what the tables hold.

    Args:
        embeddings: Unit vectors of images in the joint space.
        class_embeddings: Unit vectors of the ID classes.
        temperature: Divisor of the cosines; CLIP's own would be 1 / logit_scale.

    Returns:
        Probabilities in [1/c, 1], higher = more in-distribution.

    Raises:
        ValueError: If the temperature is not positive, there are fewer than two classes, or an
            embedding is not finite.
    """
    return msp_scores(_logits(embeddings, class_embeddings, temperature))


def mcm_log_odds(
    embeddings: Float[np.ndarray, "n e"],
    class_embeddings: Float[np.ndarray, "c e"],
    *,
    temperature: float = 1.0,
) -> Float64[np.ndarray, " n"]:
    """log(p / (1 - p)) of `mcm_scores` p: the same ranking, and never saturated.

    Returns:
        Log-odds, at least -log(c - 1), higher = more in-distribution; p is 1 / (1 + exp(-score)).

    Raises:
        ValueError: As `mcm_scores`.
    """
    return msp_log_odds(_logits(embeddings, class_embeddings, temperature))


def _logits(
    embeddings: np.ndarray, class_embeddings: np.ndarray, temperature: float
) -> Float64[np.ndarray, "n c"]:
    check_temperature(temperature)
    check_finite(embeddings, "embeddings")
    return row_products(embeddings, class_embeddings.T) / temperature


def score(query: Query, *, temperature: Positive = 1.0) -> Float64[np.ndarray, " n"]:
    """Log-odds of MCM against the detector's class embeddings."""
    return mcm_log_odds(query.embeddings, query.class_embeddings, temperature=temperature)
