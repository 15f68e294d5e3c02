"""What crafted features are pushed towards; each a differentiable value, higher = closer to ID.

A factory returns a function of the features ``[b d]`` giving one value an image. `cosine_to` is
the attack of the paper; the others attack a detector's own score, so that a detector is judged
against an adversary who knows it.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Objective = Callable[[Tensor], Tensor]
DIFFERENCES = 1 << 25  # of rows and class means held at once: 128 MiB


def cosine_to(targets: Float[Tensor, "b d"]) -> Objective:
    """Cosine between each image's features and its own target's."""

    def value(features: Tensor) -> Tensor:
        return F.cosine_similarity(features, targets, dim=1)

    return value


def mcm_of(
    class_embeddings: Float[Tensor, "c e"],
    projection: Float[Tensor, "d e"] | None,
    *,
    temperature: float = 1.0,
) -> Objective:
    """Logarithm of the MCM score: maximum softmax of the cosines to the class embeddings.

    Ming et al. (NeurIPS 2022, arXiv:2211.13445); the logarithm has the same order.
    """

    def value(features: Tensor) -> Tensor:
        embeddings = features if projection is None else features @ projection
        cosines = F.normalize(embeddings, dim=1) @ class_embeddings.T
        return (cosines / temperature).log_softmax(dim=1).amax(dim=1)

    return value


def energy_of(
    weight: Float[Tensor, "c d"],
    bias: Float[Tensor, " c"],
    mean: Float[Tensor, " d"],
    std: Float[Tensor, " d"],
) -> Objective:
    """Log of the sum of exponentiated logits of a linear head on standardised features."""

    def value(features: Tensor) -> Tensor:
        return torch.logsumexp((features - mean) / std @ weight.T + bias, dim=1)

    return value


def mahalanobis_of(whitening: Float[Tensor, "d r"], means: Float[Tensor, "c r"]) -> Objective:
    """Minus the squared Mahalanobis distance to the nearest class mean.

    `whitening` maps features to the space in which the shared covariance is the identity; `means`
    are the class means there. The distances are taken some rows at a time and without a gradient,
    which only the nearest one has: of 200 rows, 1,000 classes and 1,280 dimensions they and their
    gradients would fill 4 GB.
    """
    rows = max(1, DIFFERENCES // means.numel())

    def value(features: Tensor) -> Tensor:
        whitened = features @ whitening
        with torch.no_grad():
            squared = [
                (part[:, None] - means).square_().sum(dim=2) for part in whitened.split(rows)
            ]
            nearest = torch.cat(squared).argmin(dim=1)
        return -(whitened - means[nearest]).square().sum(dim=1)

    return value
