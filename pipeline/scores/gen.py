"""Generalised entropy of a head's largest softmax probabilities."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, softmax_and_rest
from pipeline.scores.allowed import Count, Fraction


def gen_scores(
    logits: Float[np.ndarray, "n c"], *, gamma: float = 0.1, largest: int = 100
) -> Float64[np.ndarray, " n"]:
    """Minus the sum of p^gamma (1 - p)^gamma over the largest probabilities p.

    Liu, Lochman & Zach (CVPR 2023), "GEN: Pushing the limits of softmax-based OOD detection".

    Args:
        logits: Of any head.
        gamma: Exponent in (0, 1); the paper uses 0.1.
        largest: How many of the largest probabilities enter; the paper takes 100 of 1000. All
            of them where there are fewer classes.

    Returns:
        Values below 0, higher = more in-distribution.

    Raises:
        ValueError: If gamma or ``largest`` is out of range, there are fewer than two classes, or
            a logit is not finite.
    """
    if not 0 < gamma < 1:
        raise ValueError(f"gamma must be in (0, 1), got {gamma}")
    if largest < 1:
        raise ValueError(f"largest must be at least 1, got {largest}")
    probabilities, rest = softmax_and_rest(as_logits(logits))
    rows, top = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    others = 1 - probabilities
    others[rows, top] = rest  # 1 - p would be zero for a confident image
    terms = (probabilities * others) ** gamma
    if largest < probabilities.shape[1]:
        order = np.argpartition(-probabilities, largest - 1, axis=1)[:, :largest]
        terms = np.take_along_axis(terms, order, axis=1)
    return -terms.sum(axis=1)


def score(
    query: Query, *, head: str, gamma: Fraction = 0.1, largest: Count = 100
) -> Float64[np.ndarray, " n"]:
    """GEN of one head."""
    return gen_scores(query.logits(head), gamma=gamma, largest=largest)
