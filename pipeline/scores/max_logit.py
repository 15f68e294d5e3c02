"""Largest logit of a head."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits
from pipeline.scores.needs import Needs

NEEDS = Needs()


def max_logit_scores(logits: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, " n"]:
    """Largest logit.

    Hendrycks et al. (ICML 2022, arXiv:1911.11132).

    Returns:
        Logits of any size, higher = more in-distribution.

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    return as_logits(logits).max(axis=1)


def score(query: Query, *, head: str) -> Float64[np.ndarray, " n"]:
    """Largest logit of one head."""
    return max_logit_scores(query.logits(head))
