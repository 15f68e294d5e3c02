"""The head that is never trained: CLIP's own scaled cosines between images and class names."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.geometry import unit_norm
from pipeline.products import row_products


def joint_embeddings(
    features: Float32[np.ndarray, "n d"],
    text: Mapping[str, np.ndarray],
    *,
    what: str = "features",
) -> Float32[np.ndarray, "n e"]:
    """Bring features into the joint image-text space, unit norm.

    Args:
        features: As stored.
        text: Arrays of the text side; without ``projection`` the features are joint already.
        what: Name of the features in errors.

    Raises:
        ValueError: If a row is zero or not finite.
    """
    if "projection" not in text:
        return unit_norm(features, what=what)
    joint = row_products(features, text["projection"])
    return unit_norm(joint, what=f"embeddings of {what}").astype(np.float32)


def zero_shot_logits(
    features: Float32[np.ndarray, "n d"],
    text: Mapping[str, np.ndarray],
    *,
    logit_scale: float | None,
) -> Float32[np.ndarray, "n c"]:
    """Cosines to the class embeddings times CLIP's learned multiplier.

    Radford et al. (ICML 2021, arXiv:2103.00020). No linear head on features: the embedding's norm
    divides.

    Args:
        features: As stored.
        text: Arrays of the text side: ``class_embeddings`` [c e], ``projection`` [d e] or none.
        logit_scale: CLIP's multiplier, 100 for most.

    Raises:
        NotApplicableError: If the text side came without a logit scale.
        ValueError: If a row is zero or not finite.
    """
    return scaled_cosines(joint_embeddings(features, text), text, logit_scale=logit_scale)


def scaled_cosines(
    embeddings: Float32[np.ndarray, "n e"],
    text: Mapping[str, np.ndarray],
    *,
    logit_scale: float | None,
) -> Float32[np.ndarray, "n c"]:
    """`zero_shot_logits` of images whose embeddings are known."""
    if logit_scale is None:
        raise NotApplicableError(
            "the text side came without a logit scale, which zero-shot logits need"
        )
    cosines = row_products(embeddings, text["class_embeddings"].T)
    return (cosines * logit_scale).astype(np.float32)
