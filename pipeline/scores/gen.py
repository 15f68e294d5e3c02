"""Generalised entropy of a head's largest softmax probabilities."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, log_softmax_and_rest, log_sum_exp
from pipeline.scores.allowed import Count, Fraction
from pipeline.scores.needs import Needs

NEEDS = Needs()


def gen_scores(
    logits: Float[np.ndarray, "n c"], *, gamma: float = 0.1, largest: int = 100
) -> Float64[np.ndarray, " n"]:
    """Minus the sum of p^gamma (1 - p)^gamma over the largest probabilities p, as defined.

    Liu, Lochman & Zach (CVPR 2023), "GEN: Pushing the limits of softmax-based OOD detection".
    Beyond a lead of 745 / gamma over the other logits it is 0 exactly, and images tie;
    `minus_log_gen` ranks them all and is what the tables hold.

    Args:
        logits: Of any head.
        gamma: Exponent in (0, 1); the paper uses 0.1.
        largest: How many of the largest probabilities enter; the paper takes 100 of 1000. All
            of them where there are fewer classes.

    Returns:
        Values up to 0, higher = more in-distribution.

    Raises:
        ValueError: If gamma or ``largest`` is out of range, there are fewer than two classes, or
            a logit is not finite.
    """
    return -np.exp(-minus_log_gen(logits, gamma=gamma, largest=largest))


def minus_log_gen(
    logits: Float[np.ndarray, "n c"], *, gamma: float = 0.1, largest: int = 100
) -> Float64[np.ndarray, " n"]:
    """Minus the logarithm of that sum: the same ranking, and never saturated.

    Returns:
        Values of either sign, higher = more in-distribution; the sum is exp(-score).

    Raises:
        ValueError: As `gen_scores`.
    """
    if not 0 < gamma < 1:
        raise ValueError(f"gamma must be in (0, 1), got {gamma}")
    if largest < 1:
        raise ValueError(f"largest must be at least 1, got {largest}")
    logs, log_complements, _ = log_softmax_and_rest(as_logits(logits))
    terms = gamma * (logs + log_complements)
    if largest < logs.shape[1]:
        order = np.argpartition(-logs, largest - 1, axis=1)[:, :largest]
        terms = np.take_along_axis(terms, order, axis=1)
    return -log_sum_exp(terms)


def score(
    query: Query, *, head: str, gamma: Fraction = 0.1, largest: Count = 100
) -> Float64[np.ndarray, " n"]:
    """Minus the logarithm of the GEN sum of one head."""
    return minus_log_gen(query.logits(head), gamma=gamma, largest=largest)
