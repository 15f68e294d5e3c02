"""Which OOD image is pushed towards which ID image."""

import numpy as np
from jaxtyping import Float32, Int64


def draw_sources(n_ood: int, *, pairs: int, seed: int) -> Int64[np.ndarray, " p"]:
    """Draw the rows of OOD images to manipulate, without replacement, in ascending order.

    The draw depends on the seed and the two numbers alone: variants of an attack share it.

    Raises:
        ValueError: If there are fewer images than pairs.
    """
    return np.sort(_draw(n_ood, pairs=pairs, rng=np.random.default_rng([seed, 0]), what="OOD"))


def draw_targets(n_id: int, *, pairs: int, seed: int) -> Int64[np.ndarray, " p"]:
    """Draw the rows of ID training images to aim at, without replacement, in random order.

    Raises:
        ValueError: If there are fewer images than pairs, or none.
    """
    return _draw(n_id, pairs=pairs, rng=np.random.default_rng([seed, 1]), what="ID target")


def _draw(n: int, *, pairs: int, rng: np.random.Generator, what: str) -> np.ndarray:
    if n == 0:
        raise ValueError(f"the {what} set has no rows; index a set of images")
    if pairs > n:
        raise ValueError(
            f"'pairs' must be at most the number of {what} images, {n}, got {pairs}: "
            "pairs are drawn without replacement"
        )
    return rng.choice(n, size=pairs, replace=False).astype(np.int64)


def initial_noise(
    shape: tuple[int, ...], *, pair: int, restart: int, seed: int, scale: float
) -> Float32[np.ndarray, "..."]:
    """The start of one perturbation, normal with standard deviation `scale`.

    It depends on the pair and not on the batch the pair falls into.
    """
    rng = np.random.default_rng([seed, pair, restart])
    return scale * rng.standard_normal(shape, dtype=np.float32)
