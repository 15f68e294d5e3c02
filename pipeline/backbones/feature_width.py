"""How wide a tower's features are, and whether it takes images of the transform's size at all."""

import torch
from torch import nn


@torch.inference_mode()
def feature_width(
    tower: nn.Module, size: tuple[int, int], *, device: torch.device, setting: str, cure: str
) -> int:
    """Return the width of the features of one black image.

    Args:
        tower: Maps images [b 3 h w] to features [b d].
        size: Height and width of the transform's images.
        device: Where the tower is.
        setting: The parameter that says the size, for messages.
        cure: What else to set for a model of another size, for messages.

    Raises:
        ValueError: If the model does not take images of that size.
    """
    try:
        return tower.eval()(torch.zeros(1, 3, *size, device=device)).shape[-1]
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except (AssertionError, RuntimeError) as error:
        if str(error).startswith(("CUDA", "cuDNN")):  # the device's libraries, whatever the size
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{setting} must be a size that the model takes, got {size[0]} x {size[1]} pixels: "
            f"{reason}; leave it out, or set {cure} for a model of another size"
        ) from error
