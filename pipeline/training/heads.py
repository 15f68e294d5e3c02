"""A linear head on standardised features, as NumPy arrays and one safetensors file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from safetensors.numpy import load_file, save

ARRAYS = ("weight", "bias", "mean", "std")


@dataclass(frozen=True)
class Probe:
    """Logits are (features - mean) / std @ weight.T + bias.

    Attributes:
        weight: One row a class.
        bias: One value a class.
        mean: Per-dimension mean of the features it was trained on.
        std: Their standard deviation; 1 where a dimension was constant.
    """

    weight: Float32[np.ndarray, "c d"]
    bias: Float32[np.ndarray, " c"]
    mean: Float32[np.ndarray, " d"]
    std: Float32[np.ndarray, " d"]

    def logits(self, features: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n c"]:
        """Return the logits of raw features, standardised as the head was trained.

        Raises:
            ValueError: If the features have another width than the head.
        """
        if features.shape[1] != self.weight.shape[1]:
            raise ValueError(
                f"this head was trained on features of width {self.weight.shape[1]}, got width "
                f"{features.shape[1]}; use the head of the same backbone"
            )
        standardised = (features.astype(np.float32, copy=False) - self.mean) / self.std
        return standardised @ self.weight.T + self.bias


def write_probe(path: Path, probe: Probe) -> None:
    """Write a head; equal heads give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save({name: np.ascontiguousarray(getattr(probe, name)) for name in ARRAYS}))


def read_probe(path: Path) -> Probe:
    """Read a head.

    Raises:
        ValueError: If the file is no head; the message names what is missing.
    """
    arrays = load_file(path)
    if missing := [name for name in ARRAYS if name not in arrays]:
        raise ValueError(f"head file {path} lacks '{missing[0]}'; run `dvc repro -f` for `probe`")
    return Probe(**{name: arrays[name] for name in ARRAYS})
