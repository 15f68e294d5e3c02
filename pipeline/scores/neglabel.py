"""Class names against words that are none."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.detector import NotApplicableError
from pipeline.detectors.query import Query
from pipeline.detectors.softmax import check_temperature, log_sum_exp
from pipeline.scores.allowed import Count, Positive


def neglabel_scores(
    embeddings: Float[np.ndarray, "n e"],
    class_embeddings: Float[np.ndarray, "c e"],
    negative_embeddings: Float[np.ndarray, "w e"],
    *,
    temperature: float = 0.01,
    groups: int = 100,
) -> Float64[np.ndarray, " n"]:
    """Softmax mass on the ID classes, against negative words, averaged over groups of words.

    NegLabel (Jiang et al., ICLR 2024, arXiv:2403.20078). The negative words are divided in mined
    order into groups as equal as can be; each group competes with all ID classes.

    Args:
        embeddings: Unit vectors of images in the joint space.
        class_embeddings: Unit vectors of the ID classes.
        negative_embeddings: Unit vectors of the mined words, the farthest from the classes first.
        temperature: Divisor of the cosines; the paper uses CLIP's 0.01.
        groups: The paper uses 100, for 10,000 words.

    Returns:
        Shares in [0, 1], higher = more in-distribution.

    Raises:
        ValueError: If there are fewer words than groups or the temperature is not positive.
    """
    check_temperature(temperature)
    if not 1 <= groups <= len(negative_embeddings):
        raise ValueError(
            f"groups must be between 1 and the {len(negative_embeddings)} negative words, got "
            f"{groups}; set fewer groups or text.negative_candidates higher"
        )
    own = log_sum_exp((embeddings @ class_embeddings.T).astype(np.float64) / temperature)
    cosines = (embeddings @ negative_embeddings.T).astype(np.float64) / temperature
    shares = [
        1 / (1 + np.exp(np.minimum(log_sum_exp(part) - own, 700)))
        for part in np.array_split(cosines, groups, axis=1)
    ]
    return np.mean(shares, axis=0)


def score(
    query: Query, *, temperature: Positive = 0.01, groups: Count = 100
) -> Float64[np.ndarray, " n"]:
    """NegLabel with the negative words of the detector's text side."""
    text = query.detector.part("text", "text")
    if "negative_embeddings" not in text:
        raise NotApplicableError("no negative words were encoded; set text.negative_words")
    return neglabel_scores(
        query.embeddings,
        query.class_embeddings,
        text["negative_embeddings"],
        temperature=temperature,
        groups=groups,
    )
