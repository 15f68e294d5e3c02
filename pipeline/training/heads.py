"""A linear head on standardised features, as NumPy arrays and one safetensors file."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from pipeline.declared_arrays import check_arrays
from pipeline.products import row_products

ARRAYS = ("weight", "bias", "mean", "std")


class HeadError(ValueError):
    """Heads that are missing, damaged, or not what was trained."""


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
        return (row_products(standardised, self.weight.T) + self.bias).astype(np.float32)


def write_probe(path: Path, probe: Probe) -> None:
    """Write a head; equal heads give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save({name: np.ascontiguousarray(getattr(probe, name)) for name in ARRAYS}))


def read_probe(path: Path, *, stage: str = "probe", classes: int | None = None) -> Probe:
    """Read a head.

    Args:
        path: ``<backbone>/<head>.safetensors``.
        stage: That wrote it, for the cure.
        classes: How many it must tell apart, where that is known.

    Raises:
        HeadError: If the file is no head, or gives no logits: arrays are missing, of shapes that
            do not fit, or not finite.
    """
    cure = f"train again: `dvc repro -f {stage}@{path.parent.name}`"
    try:
        arrays = load_file(path)
    except SafetensorError as error:
        raise HeadError(f"{path} is no head ({error}); {cure}") from error
    declared = {field.name: field.type for field in fields(Probe)}
    sizes = {} if classes is None else {"c": classes}
    try:
        check_arrays(arrays, declared, sizes=sizes, positive=("std",))
    except ValueError as error:
        raise HeadError(f"{path}: {error}; {cure}") from None
    return Probe(**arrays)
