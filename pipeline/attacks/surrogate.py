"""The model that is attacked: pixels in, features out, and a gradient back."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.attacks.indexed_images import IndexedImages
from pipeline.backbones.backbone import Backbone


@dataclass(frozen=True)
class Surrogate:
    """The model that is attacked.

    Attributes:
        name: Its key in the backbone table.
        encode: [0, 1] pixels at its input size to float32 features, differentiable.
        read: An image file's bytes to its [0, 1] pixels [3 h w], as extraction reads them.
        device: Where it runs.
    """

    name: str
    encode: Callable[[Tensor], Tensor]
    read: Callable[[bytes], Tensor]
    device: torch.device

    @property
    def device_name(self) -> str:
        """A GPU's own name, else the kind of the device."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return self.device.type


def surrogate_of(backbone: Backbone, images: IndexedImages, *, precision: str) -> Surrogate:
    """Wrap a backbone: pixels in, float32 features out, half precision inside where asked for."""
    device = backbone.device
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    backbone.tower.to(memory_format=torch.channels_last)

    def encode(pixels: Tensor) -> Tensor:
        normalised = backbone.normalise(pixels).contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            device.type, dtype=getattr(torch, precision), enabled=precision != "float32"
        ):
            return backbone.encode(normalised).float()

    return Surrogate(backbone.name, encode, images.read, device)
