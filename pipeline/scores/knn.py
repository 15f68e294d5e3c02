"""Cosine similarity to the k-th nearest bank feature."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.bank import Sample
from pipeline.detectors.neighbours import Engine
from pipeline.detectors.query import Query
from pipeline.scores.allowed import Count, Seed, Share
from pipeline.scores.needs import Needs

NEEDS = Needs(neighbours="nearest")


def knn_scores(similarities: Float[np.ndarray, "n _"], *, k: int) -> Float64[np.ndarray, " n"]:
    """Cosine similarity to the k-th nearest bank feature.

    Deep nearest neighbours (Sun et al., ICML 2022, arXiv:2204.06507) thresholds the Euclidean
    distance to the k-th neighbour. On unit vectors the similarity ranks images the same way and
    keeps our direction. k = 1 is the 1-NN of the study (arXiv:2303.05828). Features with a large
    common mean have similarities next to 1, which exact searches tell apart to the digits of a
    float64 (see `pipeline.detectors.neighbours_centred`).

    Args:
        similarities: Cosines to at least k neighbours of each query, best first, as
            `pipeline.detectors.neighbours.nearest` finds them.
        k: Which neighbour, counted from 1.

    Returns:
        Similarities in [-1, 1], higher = more in-distribution.

    Raises:
        ValueError: If k is not between 1 and the number of neighbours.
    """
    if not 1 <= k <= similarities.shape[1]:
        raise ValueError(f"k must be between 1 and {similarities.shape[1]} neighbours, got {k}")
    return similarities[:, k - 1].astype(np.float64)


def score(
    query: Query,
    *,
    k: Count | list[Count] = 1,
    alpha: Share = 1.0,
    balanced: bool = False,
    seed: Seed = 0,
    engine: Engine = "auto",
) -> Float64[np.ndarray, " n"] | dict[str, Float64[np.ndarray, " n"]]:
    """k-NN against the bank, or against a sample of it; a list of k costs one search.

    Args:
        query: The images.
        k: Neighbours, counted from 1; a list gives one method for each, named by its k.
        alpha: Share of the bank to compare with, drawn at random.
        balanced: Whether the sample holds equally many images of each class.
        seed: Of the draw.
        engine: Of the search: see `pipeline.detectors.neighbours`.

    Raises:
        NotApplicableError: If a balanced sample is asked for and the bank has unlabelled images.
        ValueError: If k is more than the bank, or the sample of it, has besides the image.
    """
    wanted = k if isinstance(k, list) else [k]
    sample = Sample(alpha=alpha, balanced=balanced, seed=seed)
    found = query.neighbours(max(wanted), sample=sample, engine=engine)
    scores = {str(one): knn_scores(found.similarities, k=one) for one in wanted}
    return scores if isinstance(k, list) else scores[str(k)]


def neighbour_counts(methods: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """Every k of the entries of section ``methods`` that name this score, ascending."""
    asked = [entry.get("k", 1) for entry in methods.values() if entry["score"] == "knn"]
    return sorted({k for one in asked for k in (one if isinstance(one, list) else [one])})
