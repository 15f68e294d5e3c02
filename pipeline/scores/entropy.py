"""Entropy of a head's softmax."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, log_softmax_and_rest, log_sum_exp
from pipeline.scores.needs import Needs

NEEDS = Needs()


def entropy_scores(logits: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, " n"]:
    """Minus the Shannon entropy of the softmax, in nats, as defined.

    As a score in Chan, Rottmann & Gottschalk (ICCV 2021, arXiv:2012.06575). Beyond a lead of 745
    over the other logits it is 0 exactly, and images tie; `minus_log_entropy` ranks them all and is
    what the tables hold.

    Returns:
        Values in [-log c, 0], higher = more in-distribution.

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    return -np.exp(-minus_log_entropy(logits))


def minus_log_entropy(logits: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, " n"]:
    """Minus the logarithm of the entropy: the same ranking, and never saturated.

    Returns:
        Values from -log log c on, higher = more in-distribution; the entropy is exp(-score).

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    logs, _, log_surprises = log_softmax_and_rest(as_logits(logits))
    return -log_sum_exp(logs + log_surprises)


def score(query: Query, *, head: str) -> Float64[np.ndarray, " n"]:
    """Minus the logarithm of the entropy of one head."""
    return minus_log_entropy(query.logits(head))
