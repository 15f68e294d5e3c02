"""A backbone in inference mode: prepared images in, float32 rows out."""

import ctypes
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pipeline.backbones.backbone import Backbone
from pipeline.backbones.transforms import BytePixels, split_before_floats
from pipeline.devices import resolve
from pipeline.extraction.pillow_resize import with_fast_resize

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


class TorchEncoder:
    """Runs an image tower on one device.

    Work is handed to a GPU without waiting for it; `rows` waits.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        precision: str = "float32",
        compiled: bool = False,
        decode_on_device: bool = False,
    ) -> None:
        """Prepare the tower.

        Args:
            backbone: A loaded backbone.
            precision: Arithmetic of the forward pass: "float32", "bfloat16" or "float16".
            compiled: Run the tower through torch.compile.
            decode_on_device: Decode and resize where the model runs, not by Pillow.

        Raises:
            ValueError: If that cannot be done with the backbone's transform, or on its device.
        """
        self.backbone = backbone
        self.device = backbone.device
        self.precision = PRECISIONS[precision]
        self.prepare, self.finish = split_before_floats(backbone.transform) or (
            backbone.transform,
            None,
        )
        self.pixels = None
        if decode_on_device:
            from pipeline.extraction.torchvision_pixels import torchvision_pixels

            steps = self.prepare.transforms if isinstance(self.prepare, BytePixels) else ()
            self.pixels = torchvision_pixels(steps, self.device)
        elif isinstance(self.prepare, BytePixels):
            self.prepare = with_fast_resize(self.prepare)
        self.read = None if self.pixels is None else self.pixels.read
        self.tower = backbone.tower
        if self.device.type != "cuda":
            keep_freed_memory()
        if compiled:
            self.tower = torch.compile(self.tower)

    def encode(self, pieces: Sequence[Any]) -> torch.Tensor:
        """Encode one batch, given as stacked tensors or lists of images; stays on the device.

        Images are what `prepare` makes of them, or have gone through the whole transform.
        """
        if self.pixels is not None and self.pixels.late:
            images = self.pixels.finish([item for piece in pieces for item in piece])
        else:
            moved = [self._moved(piece) for piece in pieces]
            images = moved[0] if len(moved) == 1 else torch.cat(moved)
        if self.finish is not None and images.dtype == torch.uint8:
            images = self.finish(images)
        mixed = self.precision != torch.float32
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, dtype=self.precision, enabled=mixed),
        ):
            features = self.tower(images)
        if features.ndim != 2 or features.shape != (len(images), self.backbone.width):
            raise ValueError(
                f"backbone '{self.backbone.name}' must return [{len(images)} "
                f"{self.backbone.width}] features, got {list(features.shape)}"
            )
        return features

    def _moved(self, piece: Any) -> torch.Tensor:
        stacked = piece if isinstance(piece, torch.Tensor) else torch.stack(piece)
        return stacked.to(self.device, non_blocking=True)

    def rows(self, batches: Sequence[torch.Tensor]) -> np.ndarray:
        """Return encoded batches as float32 rows in the host's memory."""
        joined = batches[0] if len(batches) == 1 else torch.cat(list(batches))
        return joined.float().cpu().numpy()

    def facts(self) -> dict[str, Any]:
        """Return what the store must say about its rows."""
        return {
            "width": self.backbone.width,
            "space": self.backbone.space,
            "description": self.backbone.description,
            "device": self._device_name(),
        }

    def _device_name(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return "cpu"


def resolve_device(device: str) -> str:
    """Return "cpu" or "cuda" for a parameter that may be "auto"; asked where a GPU seems to be.

    Raises:
        ValueError: If a GPU is asked for and torch sees none.
    """
    found = resolve(device, parameter="extract.device")
    if device == "auto" and found == "cpu":
        print(
            "this machine seems to have a GPU, but torch cannot use it (is its driver too old for "
            f"CUDA {torch.version.cuda}?): extracting on the CPU",
            file=sys.stderr,
        )
    return found


def gpu_names() -> list[str]:
    """Return the kinds of GPU on this machine: another kind gives other last bits."""
    return sorted({torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())})


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed activations for the next batch.

    By default it returns every large block to the system and gets zeroed pages back for the next
    layer, which costs more time than some small models' arithmetic.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return  # not glibc
    trim_threshold, mmap_threshold = -1, -3
    if not mallopt(mmap_threshold, 1 << 30):
        mallopt(mmap_threshold, 32 << 20)
    mallopt(trim_threshold, 2**31 - 1)
