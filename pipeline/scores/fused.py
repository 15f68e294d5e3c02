"""Maximum softmax probability of several heads together."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, rest_of_largest, softmax_and_rest
from pipeline.detectors.zero_shot import ZERO_SHOT


def fused_probabilities(
    logits: Sequence[Float[np.ndarray, "n c"]],
) -> Float64[np.ndarray, "n c"]:
    """Mean of the softmax of each head."""
    return np.mean([softmax_and_rest(as_logits(each))[0] for each in logits], axis=0)


def fused_scores(logits: Sequence[Float[np.ndarray, "n c"]]) -> Float64[np.ndarray, " n"]:
    """Log-odds of the largest mean softmax probability over the heads.

    COOkeD (Humblot-Renaux et al., ICCV workshops 2025, arXiv:2507.22576) averages the softmax of
    zero-shot CLIP, of a probe and of a classifier and takes the maximum; here the heads are
    zero-shot, PLP and LP. The log-odds rank as the probability does and do not saturate.

    Args:
        logits: One array a head, over the same classes.

    Returns:
        Log-odds log(p / (1 - p)), higher = more in-distribution.
    """
    probabilities = fused_probabilities(logits)
    rest = np.maximum(rest_of_largest(probabilities), np.finfo(np.float64).tiny)
    return np.log(probabilities.max(axis=1)) - np.log(rest)


def score(query: Query, *, heads: tuple[str, ...] = (ZERO_SHOT, "plp", "lp")) -> np.ndarray:
    """Fusion of the named heads."""
    return fused_scores([query.logits(head) for head in heads])
