"""Pretrained image towers behind one face: pixels in, features before the projection out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.backbones.transforms import by_channel
from pipeline.devices import resolve


@dataclass(frozen=True)
class Backbone:
    """A frozen image tower in evaluation mode, with its own transform.

    Attributes:
        name: Key of the backbone table.
        device: Where `tower` lives.
        tower: Maps normalised images [b 3 h w] to features [b d].
        width: Feature width d.
        space: ``features`` before a projection, or ``joint`` where the tower's projection cannot
            be separated (or the table keeps it on purpose).
        projection: [d e] of the joint space; None without one or where the space is joint.
        logit_scale: CLIP's learned multiplier of cosines; None without a text tower.
        transform: The checkpoint's own evaluation transform, PIL image to normalised tensor.
        pixels_transform: The same without the normalisation: values in [0, 1].
        mean: Channel means of the normalisation.
        std: Channel standard deviations of the normalisation.
        text: Encodes strings to unit vectors; None without a text tower.
        classifier: Weight [c d] and bias [c] of a trained classification head, if any.
        description: Everything that determines the features, JSON-ready.
    """

    name: str
    device: torch.device
    tower: nn.Module
    width: int
    space: Literal["features", "joint"]
    projection: np.ndarray | None
    logit_scale: float | None
    transform: Callable[[Any], Tensor]
    pixels_transform: Callable[[Any], Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    text: Callable[[list[str]], np.ndarray] | None
    classifier: tuple[np.ndarray, np.ndarray] | None
    description: dict[str, Any]

    def encode(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Return features of normalised images; gradients flow if the caller asks for them."""
        return self.tower(images)

    def normalise(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Normalise [0, 1] pixels by the transform's own means and standard deviations."""
        mean, std = (
            by_channel(values, pixels.device, pixels.dtype) for values in (self.mean, self.std)
        )
        return (pixels - mean) / std

    def encode_text(self, texts: list[str]) -> Float[np.ndarray, "t e"] | None:
        """Return unit vectors of texts in the joint space; None without a text tower."""
        return None if self.text is None else self.text(texts)


def pick_device(device: str = "auto") -> torch.device:
    """Turn ``auto`` into the GPU where there is one, else the CPU."""
    return torch.device(resolve(device, parameter="the device"))
