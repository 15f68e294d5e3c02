"""Where torch computes: what the parameter `device` of a section means on this machine."""

import torch


def resolve(device: str, *, parameter: str) -> str:
    """Return what to compute on: the GPU where there is one for ``auto``, else what is asked for.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        parameter: Its name in errors.

    Raises:
        ValueError: If a GPU is asked for and torch sees none.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"{parameter} is cuda, but torch sees no GPU; set it to auto or cpu")
    return device


def device_names(device: str) -> list[str]:
    """Return every GPU of the machine for ``cuda``, else the device itself."""
    if device != "cuda":
        return [device]
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
