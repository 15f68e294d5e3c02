"""A checkpoint's evaluation transform, cut before its normalisation."""

from collections.abc import Callable
from typing import Any

from torchvision import transforms


def split_normalisation(
    transform: transforms.Compose,
) -> tuple[Callable[[Any], Any], tuple[float, ...], tuple[float, ...]]:
    """Return the transform up to [0, 1] pixels, and the means and deviations that follow.

    Raises:
        ValueError: If the transform does not end in one normalisation.
    """
    *before, last = transform.transforms
    if not isinstance(last, transforms.Normalize):
        raise ValueError(f"a transform must end in a normalisation, got {last}")
    as_floats = [tuple(float(value) for value in values) for values in (last.mean, last.std)]
    return transforms.Compose(before), as_floats[0], as_floats[1]
