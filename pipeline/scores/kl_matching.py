"""Divergence of a head's softmax from the typical softmax of a class."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, log_softmax
from pipeline.products import row_products
from pipeline.scores.needs import Needs

NEEDS = Needs(fitted={"head": "head_statistics"})

_TINY = np.finfo(np.float64).tiny


def kl_matching_scores(
    logits: Float[np.ndarray, "n c"], posteriors: Float[np.ndarray, "p c"]
) -> Float64[np.ndarray, " n"]:
    """Minus the smallest KL(softmax || posterior) over the typical posteriors.

    Hendrycks et al. (ICML 2022, arXiv:1911.11132): one posterior a class, the mean softmax of the
    ID images that the head puts into it. We average over the bank instead of a validation set. A
    probability below 2e-308 in a posterior counts as that much, so that images which are sure of a
    class that no posterior gives more tie at -708.4.

    Args:
        logits: Of the head that the posteriors were averaged for.
        posteriors: Rows that sum to 1; classes that nothing is put into are left out.

    Returns:
        Values up to 0, in nats, higher = more in-distribution.

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    logs = log_softmax(as_logits(logits))
    probabilities = np.exp(logs)
    negative_entropy = np.einsum("nc,nc->n", probabilities, logs)
    crosses = row_products(probabilities, np.log(np.maximum(posteriors, _TINY)).T)
    return crosses.max(axis=1) - negative_entropy


def score(query: Query, *, head: str) -> Float64[np.ndarray, " n"]:
    """KL matching of one head against its posteriors on the bank."""
    logits = query.logits(head)
    return kl_matching_scores(logits, query.detector.part("posteriors", head)["posteriors"])
