"""Energy of a head, guided by the confident neighbours of the image."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query, sample_rows
from pipeline.scores.allowed import Count, Seed, Share
from pipeline.scores.energy import energy_scores


def nnguide_scores(
    logits: Float[np.ndarray, "n c"], guidance: Float[np.ndarray, "n k"]
) -> Float64[np.ndarray, " n"]:
    """Energy times the mean of the k largest energy-weighted similarities to the bank.

    NNGuide (Park, Jung & Teoh, ICCV 2023, arXiv:2309.14888): each bank image counts by its cosine
    to the query times its own energy.

    Args:
        logits: Of the head that the bank's energies come from.
        guidance: The k largest products of cosine and bank energy.

    Returns:
        Values of any size, higher = more in-distribution.
    """
    return energy_scores(logits) * guidance.astype(np.float64).mean(axis=1)


def score(
    query: Query, *, head: str, k: Count = 10, alpha: Share = 1.0, seed: Seed = 0
) -> Float64[np.ndarray, " n"]:
    """NNGuide of one head, against a share ``alpha`` of the bank (the paper: 0.01 of ImageNet)."""
    energies = query.detector.part("energies", head)["energies"]
    rows = sample_rows(query.bank.labels, alpha=alpha, balanced=False, seed=seed)
    found = query.neighbours(k, rows=rows, weights=energies)
    return nnguide_scores(query.logits(head), found.similarities)
