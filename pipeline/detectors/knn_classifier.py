"""Classes by vote of the nearest bank images."""

import numpy as np
from jaxtyping import Float, Int, Int64

NEIGHBOURS = 20
TEMPERATURE = 0.02


def knn_predictions(
    similarities: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, "n k"],
    *,
    temperature: float = TEMPERATURE,
) -> Int64[np.ndarray, " n"]:
    """Class with the largest sum of exp(cosine / temperature) over its neighbours.

    The k-NN classifier of Wu et al. (CVPR 2018, arXiv:1805.01978) as DINO and the study use it:
    k = 20, temperature 0.02. Equal sums go to the lower class.

    Args:
        similarities: Cosines to the k neighbours, best first.
        labels: Classes of those neighbours.
        temperature: Divisor of the cosines.

    Raises:
        ValueError: If a neighbour has no label.
    """
    if (labels < 0).any():
        raise ValueError("a k-NN classifier needs a labelled bank, but some neighbours have none")
    # weights relative to the best neighbour: exp(1 / 0.02) would be 5e21
    weights = np.exp((similarities - similarities[:, :1]).astype(np.float64) / temperature)
    rows = np.repeat(np.arange(len(labels)), labels.shape[1])
    votes = np.zeros((len(labels), int(labels.max(initial=0)) + 1))
    np.add.at(votes, (rows, labels.ravel()), weights.ravel())
    return votes.argmax(axis=1)
