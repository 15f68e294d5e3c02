"""Virtual-logit matching: energy of a head minus the residual of the features."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.detectors.subspace import ResidualSpace
from pipeline.scores.energy import energy_scores
from pipeline.scores.needs import Needs

NEEDS = Needs(linear_head=True, fitted={"head": "residuals"})


def vim_scores(
    logits: Float[np.ndarray, "n c"], residuals: Float[np.ndarray, " n"], *, scale: float
) -> Float64[np.ndarray, " n"]:
    """logsumexp(logits) - scale * residual norm.

    Wang et al. (CVPR 2022, arXiv:2203.10807). The scaled residual is a virtual logit; minus its
    log-odds against the others ranks as this difference does.

    Args:
        logits: Of the head.
        residuals: Distances of the features to the head's principal subspace.
        scale: Mean largest logit of the bank divided by its mean residual.

    Returns:
        Values of any size, higher = more in-distribution.

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    return energy_scores(logits) - scale * residuals


def score(query: Query, *, head: str) -> Float64[np.ndarray, " n"]:
    """ViM of one head, with the subspace and the scale fitted on the bank.

    Raises:
        NotApplicableError: If the head is the zero-shot one, or this backbone has no such head or
            no residuals.
    """
    query.linear_head(head)  # refuses the zero-shot head, for which no residuals can be fitted
    part = query.detector.part("residuals", head)
    residuals = ResidualSpace(part["origin"], part["basis"]).norms(query.features)
    return vim_scores(query.logits(head), residuals, scale=float(part["scale"]))
