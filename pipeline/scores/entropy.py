"""Entropy of a head's softmax."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, softmax_and_rest


def entropy_scores(logits: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, " n"]:
    """Minus the Shannon entropy of the softmax, in nats.

    As a score in Chan, Rottmann & Gottschalk (ICCV 2021, arXiv:2012.06575). The largest
    probability enters by what it leaves to the others, so that confident images do not tie.

    Returns:
        Values in [-log c, 0], higher = more in-distribution.

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    probabilities, rest = softmax_and_rest(as_logits(logits))
    rows, top = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    logs = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    logs[rows, top] = np.log1p(-rest)
    return np.einsum("nc,nc->n", probabilities, logs)


def score(query: Query, *, head: str) -> Float64[np.ndarray, " n"]:
    """Minus the entropy of one head."""
    return entropy_scores(query.logits(head))
