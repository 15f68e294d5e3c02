"""Energy of a head's logits."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.softmax import as_logits, check_temperature, log_sum_exp
from pipeline.scores.allowed import Positive
from pipeline.scores.needs import Needs

NEEDS = Needs()


def energy_scores(
    logits: Float[np.ndarray, "n c"], *, temperature: float = 1.0
) -> Float64[np.ndarray, " n"]:
    """T * logsumexp(logits / T): minus the free energy of Liu et al.

    Liu et al. (NeurIPS 2020, arXiv:2010.03759) call E(x) = -T * logsumexp(logits / T) the energy;
    in-distribution images have a low one, so its negative is the score.

    Args:
        logits: Of any head.
        temperature: T; the paper uses 1.

    Returns:
        At least the largest logit, higher = more in-distribution.

    Raises:
        ValueError: If the temperature is not positive, there are fewer than two classes, or a
            logit is not finite.
    """
    check_temperature(temperature)
    return temperature * log_sum_exp(as_logits(logits) / temperature)


def score(query: Query, *, head: str, temperature: Positive = 1.0) -> Float64[np.ndarray, " n"]:
    """Energy of one head."""
    return energy_scores(query.logits(head), temperature=temperature)
