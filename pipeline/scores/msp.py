"""Maximum softmax probability of a head."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, log_softmax, log_sum_exp
from pipeline.scores.needs import Needs

NEEDS = Needs()


def msp_scores(logits: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, " n"]:
    """Largest softmax probability, as defined.

    Hendrycks & Gimpel (ICLR 2017, arXiv:1610.02136). Beyond a lead of 36 over the other logits a
    float64 probability is 1.0 exactly (in float32 beyond 16), and images tie; `msp_log_odds` ranks
    them all and is what the tables hold.

    Returns:
        Probabilities in [1/c, 1], higher = more in-distribution.

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    return np.exp(log_softmax(as_logits(logits))).max(axis=1)


def msp_log_odds(logits: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, " n"]:
    """log(p / (1 - p)) of the largest softmax probability p.

    The same ranking as p and never saturated, since it is the largest logit minus the log-sum-exp
    of the others: log p - log(1 - p) without forming either.

    Returns:
        Log-odds, at least -log(c - 1), higher = more in-distribution; p is 1 / (1 + exp(-score)).

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    values = as_logits(logits).copy()
    rows = np.arange(len(values))
    top = values.argmax(axis=1)
    largest = values[rows, top]
    values[rows, top] = -np.inf
    return largest - log_sum_exp(values)


def score(query: Query, *, head: str) -> Float64[np.ndarray, " n"]:
    """Log-odds of the MSP of one head."""
    return msp_log_odds(query.logits(head))
