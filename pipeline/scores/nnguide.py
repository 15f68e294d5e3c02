"""Energy of a head, guided by the confident neighbours of the image."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.bank import Sample
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.query import Query
from pipeline.detectors.search import Weights
from pipeline.scores.allowed import Count, Seed, Share
from pipeline.scores.energy import energy_scores
from pipeline.scores.needs import Needs

NEEDS = Needs(neighbours="guides", fitted={"head": "head_statistics"})


def nnguide_scores(
    logits: Float[np.ndarray, "n c"], guidance: Float[np.ndarray, "n k"]
) -> Float64[np.ndarray, " n"]:
    """Energy times the mean of the k largest energy-weighted similarities to the bank.

    NNGuide (Park, Jung & Teoh, ICCV 2023, arXiv:2309.14888): each bank image counts by its cosine
    to the query times its own energy. The paper takes energies and similarities for positive;
    where one of the two factors is negative, their product would fall as the other rises. Here
    negative parts are added instead, so that the score rises with both everywhere, and is the
    paper's where both are positive.

    Args:
        logits: Of the head that the bank's energies come from.
        guidance: The k largest products of cosine and bank energy.

    Returns:
        Values of any size, higher = more in-distribution.

    Raises:
        ValueError: If there are fewer than two classes or a logit is not finite.
    """
    energies, guides = energy_scores(logits), guidance.astype(np.float64).mean(axis=1)
    product = np.maximum(energies, 0) * np.maximum(guides, 0)
    return product + np.minimum(energies, 0) + np.minimum(guides, 0)


def score(
    query: Query, *, head: str, k: Count = 10, alpha: Share = 1.0, seed: Seed = 0
) -> Float64[np.ndarray, " n"]:
    """NNGuide of one head, against a share ``alpha`` of the bank (the paper: 0.01 of ImageNet).

    A bank image of negative energy is no guide: its weight is zero.

    Raises:
        NotApplicableError: If this backbone has no such head, or it gives no bank image a positive
            energy.
        ValueError: If k is more than the bank, or the share of it, has besides the image.
    """
    energies = query.detector.part("energies", head)["energies"]
    if not (energies > 0).any():
        raise NotApplicableError(
            f"nnguide weighs the bank by positive energies, and the head '{head}' gives none: "
            f"the largest is {energies.max():.3g}"
        )
    found = query.neighbours(
        k, sample=Sample(alpha=alpha, seed=seed), weights=Weights(head, np.maximum(energies, 0))
    )
    return nnguide_scores(query.logits(head), found.similarities)
