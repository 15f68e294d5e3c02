"""Energy after clipping the features."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.query import Query
from pipeline.geometry import check_finite
from pipeline.scores.allowed import Positive
from pipeline.scores.energy import energy_scores
from pipeline.scores.needs import Needs
from pipeline.training.heads import Probe

NEEDS = Needs(linear_head=True)


def react_scores(
    features: Float[np.ndarray, "n d"], head: Probe, *, threshold: float, temperature: float = 1.0
) -> Float64[np.ndarray, " n"]:
    """Energy of a head on features that are cut off above a threshold.

    ReAct (Sun, Guo & Li, NeurIPS 2021, arXiv:2111.12797). The paper clips the non-negative
    activations of a ResNet; here the features enter as they are stored, before the head
    standardises them, and negative ones stay.

    Args:
        features: As stored, of the width that the head takes.
        head: A linear head.
        threshold: The paper's: the 90th percentile of all ID activations.
        temperature: Of the energy.

    Returns:
        Energies, higher = more in-distribution.

    Raises:
        ValueError: If a feature is not finite (cut off, infinity would be a feature like others),
            features are of another width than the head's, the head has fewer than two classes, or
            the temperature is not positive.
    """
    check_finite(features, "features")
    clipped = np.minimum(features, np.asarray(threshold, features.dtype))
    return energy_scores(head.logits(clipped), temperature=temperature)


def score(query: Query, *, head: str, temperature: Positive = 1.0) -> Float64[np.ndarray, " n"]:
    """ReAct with the threshold that was fitted on the bank.

    Raises:
        NotApplicableError: If the head is the zero-shot one, or this backbone has no such head.
    """
    threshold = float(query.detector.part("clipping", "features")["threshold"])
    probe = query.linear_head(head)
    return react_scores(query.features, probe, threshold=threshold, temperature=temperature)
