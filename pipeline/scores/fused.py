"""Maximum softmax probability of several heads together."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from pipeline.classifier_names import ZERO_SHOT
from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, log_softmax, log_sum_exp
from pipeline.scores.needs import Needs

NEEDS = Needs()


def fused_probabilities(
    logits: Sequence[Float[np.ndarray, "n c"]],
) -> Float64[np.ndarray, "n c"]:
    """Mean of the softmax of each head.

    Raises:
        ValueError: As `fused_scores`.
    """
    shapes = [each.shape for each in logits]
    if len(set(shapes)) != 1:
        raise ValueError(
            "fused heads must be at least one and give the same images and classes, got logits of "
            f"the shapes {shapes}; name heads of one detector"
        )
    return np.mean([np.exp(log_softmax(as_logits(each))) for each in logits], axis=0)


def fused_scores(logits: Sequence[Float[np.ndarray, "n c"]]) -> Float64[np.ndarray, " n"]:
    """Log-odds of the largest mean softmax probability over the heads.

    COOkeD (Humblot-Renaux et al., ICCV workshops 2025, arXiv:2507.22576) averages the softmax of
    zero-shot CLIP, of a probe and of a classifier and takes the maximum; here the heads are
    zero-shot, PLP and LP. The log-odds rank as the probability does and do not saturate: what the
    class leaves to the others is summed over heads by its logarithms, whatever their leads.

    Args:
        logits: One array a head, over the same classes.

    Returns:
        Log-odds log(p / (1 - p)), higher = more in-distribution.

    Raises:
        ValueError: If there is no head, their shapes differ, there are fewer than two classes, or a
            logit is not finite.
    """
    top = fused_probabilities(logits).argmax(axis=1)
    rows = np.arange(len(top))
    of_top, of_others = [], []
    for each in logits:
        logs = log_softmax(as_logits(each))
        of_top.append(logs[rows, top])
        logs[rows, top] = -np.inf
        of_others.append(log_sum_exp(logs))
    return log_sum_exp(np.stack(of_top, axis=1)) - log_sum_exp(np.stack(of_others, axis=1))


def score(
    query: Query, *, heads: tuple[str, ...] = (ZERO_SHOT, "plp", "lp")
) -> Float64[np.ndarray, " n"]:
    """Fusion of the named heads."""
    return fused_scores([query.logits(head) for head in heads])
