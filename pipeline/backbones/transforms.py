"""A checkpoint's evaluation transform, cut before its normalisation, or before its floats."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from PIL import Image
from torch import Tensor
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


@dataclass(frozen=True)
class BytePixels:
    """A transform as far as pixels are whole numbers: PIL image to uint8 [h w 3].

    A quarter of the bytes go from a decoding worker to the model, and the floats of a whole batch
    are made at once, where the model is.

    Attributes:
        transforms: The steps.
    """

    transforms: tuple[Callable[[Any], Any], ...]

    def __call__(self, image: Image.Image) -> UInt8[Tensor, "h w 3"]:
        """Return the resized and cropped pixels."""
        for step in self.transforms:
            image = step(image)
        return torch.from_numpy(np.array(image))


@dataclass(frozen=True)
class FloatPixels:
    """The rest of the transform, on a batch: bit for bit what it makes of each image alone."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: UInt8[Tensor, "b h w 3"]) -> Float32[Tensor, "b 3 h w"]:
        """Scale to [0, 1] and normalise; channels stay last in memory."""
        # 255, too: by a number of the host, CUDA multiplies with its reciprocal.
        white, mean, std = (
            by_channel(values, pixels.device, torch.float32)
            for values in ((255.0,), self.mean, self.std)
        )
        return pixels.permute(0, 3, 1, 2).float().div_(white).sub_(mean).div_(std)


@functools.cache
def by_channel(
    values: tuple[float, ...], device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "c 1 1"]:
    """Return one number a channel, sent to a device once: a copy a batch would make a GPU wait."""
    with torch.inference_mode(mode=False):  # the cache outlives the mode of its first caller
        return torch.tensor(values, device=device, dtype=dtype)[:, None, None]


def split_before_floats(transform: Any) -> tuple[BytePixels, FloatPixels] | None:
    """Cut a transform where bytes become floats; None where it does not end in the usual way."""
    match list(getattr(transform, "transforms", [])):
        case [*before, transforms.ToTensor(), transforms.Normalize() as last] if before:
            mean, std = (tuple(map(float, values)) for values in (last.mean, last.std))
            return BytePixels(tuple(before)), FloatPixels(mean, std)
    return None
