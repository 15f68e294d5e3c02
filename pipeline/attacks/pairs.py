"""Which OOD image is pushed towards which ID image."""

import numpy as np
from jaxtyping import Float32, Int64


def draw_sources(
    n_ood: int, *, pairs: int, seed: int, dataset: str = "the OOD set"
) -> Int64[np.ndarray, " p"]:
    """Draw the rows of OOD images to manipulate, without replacement, in ascending order.

    The draw depends on the seed and the two numbers alone: variants of an attack share it.

    Args:
        n_ood: How many there are.
        pairs: How many to draw.
        seed: Of the draw.
        dataset: The set they are from, in errors.

    Raises:
        ValueError: If there are fewer images than pairs.
    """
    return np.sort(_draw(n_ood, pairs=pairs, rng=np.random.default_rng([seed, 0]), of=dataset))


def draw_targets(n_id: int, *, pairs: int, seed: int) -> Int64[np.ndarray, " p"]:
    """Draw the rows of ID training images to aim at, without replacement, in random order.

    Raises:
        ValueError: If there are fewer images than pairs, or none.
    """
    rng = np.random.default_rng([seed, 1])
    return _draw(n_id, pairs=pairs, rng=rng, of="the ID training set")


def too_many(pairs: int, n: int, *, of: str) -> str | None:
    """Say that a set has too few images for so many pairs, and the cure; None if it has not.

    Args:
        pairs: How many are to be drawn.
        n: How many images there are.
        of: The set they are from.
    """
    if pairs <= n:
        return None
    return (
        f"'pairs' must be at most {n:,}, the images of {of}, which are drawn without replacement, "
        f"got {pairs:,}; set craft.defaults.pairs={n}, or 'pairs' of the crafted set"
    )


def _draw(n: int, *, pairs: int, rng: np.random.Generator, of: str) -> np.ndarray:
    if n == 0:
        raise ValueError(f"{of} has no rows; index a set of images")
    if refusal := too_many(pairs, n, of=of):
        raise ValueError(refusal)
    return rng.choice(n, size=pairs, replace=False).astype(np.int64)


def initial_noise(
    shape: tuple[int, ...], *, pair: int, restart: int, seed: int, scale: float
) -> Float32[np.ndarray, "..."]:
    """The start of one perturbation, normal with standard deviation `scale`.

    It depends on the pair and not on the batch the pair falls into.
    """
    rng = np.random.default_rng([seed, pair, restart])
    return scale * rng.standard_normal(shape, dtype=np.float32)
