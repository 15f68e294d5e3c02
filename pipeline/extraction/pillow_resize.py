"""The pixels that a model's transform makes of a photo, the same bytes in a third of the time.

Pillow resizes a pixel at a time and takes as long as decoding the JPEG. `PillowResize` does what it
does with compiled code, where that pays and was seen to give Pillow's own bytes; otherwise, the
original steps run.
"""

import itertools
import platform
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import UInt8, UInt32
from PIL import Image
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from pipeline.backbones.transforms import BytePixels
from pipeline.extraction.resize_steps import ResizeAndCrop, resize_and_crop

START = 16_000_000  # pixels that Pillow resizes in about the time that loading the compiler takes
CUBIC = {InterpolationMode.BICUBIC: True, InterpolationMode.BILINEAR: False}


@dataclass(frozen=True)
class PillowResize:
    """A resize, and a crop of the centre, in compiled code: PIL image to uint8 [h w 3].

    Attributes:
        original: The steps that it stands for.
        steps: What they say.
    """

    original: BytePixels
    steps: ResizeAndCrop

    @property
    def transforms(self) -> Any:
        """The original steps."""
        return self.original.transforms

    def __call__(self, image: Image.Image) -> UInt8[Tensor, "h w 3"]:
        """Return the resized and cropped pixels."""
        size = height, width = self.steps.resized(image.height, image.width)
        rows, columns = self.steps.crop or size
        shorter, narrower = image.height - height, image.width - width
        if (
            image.mode != "RGB"
            or (shorter, narrower) == (0, 0)
            or shorter > max(2 * narrower, 0)  # columns first, since Pillow 13
            or rows > height  # filled up by the crop
            or columns > width
            or not _KERNEL.pays(image.width * image.height)
        ):
            return self.original(image)
        top, left = round((height - rows) / 2.0), round((width - columns) / 2.0)
        window = (top, top + rows, left, left + columns)
        cubic = CUBIC[self.steps.interpolation]
        return torch.from_numpy(_KERNEL.run(_pixels(image), size, window, cubic=cubic))


def _pixels(image: Image.Image) -> UInt32[np.ndarray, "h w"]:
    """View an RGB image's memory, where Pillow keeps four bytes a pixel; copy it if it must be."""
    size = image.height, image.width
    try:
        return pl.Series(image).to_numpy(allow_copy=False).view(np.uint32).reshape(size)
    except ValueError:  # the memory of large images is in several pieces
        return np.frombuffer(image.tobytes("raw", "RGBX"), np.uint32).reshape(size)


def with_fast_resize(pixels: BytePixels) -> BytePixels | PillowResize:
    """Return the same pixels' faster way, where a transform is a resize and a crop."""
    steps = resize_and_crop(pixels.transforms)
    return pixels if steps is None else PillowResize(pixels, steps)


@dataclass
class _Kernel:
    """The compiled code of this process, loaded when Pillow has done work enough."""

    run: Any = None
    seen: int = 0
    tried: bool = False
    lock: Any = field(default_factory=threading.Lock)

    def pays(self, pixels: int) -> bool:
        """Count the pixels at hand; True where the compiled code is there to be used."""
        if not self.tried:
            self.seen += pixels
            if self.seen >= START and self.lock.acquire(blocking=False):
                self.run = _checked()  # other threads go on with Pillow meanwhile
                self.tried = True
                self.lock.release()
        return self.run is not None


_KERNEL = _Kernel()


def _checked() -> Any:
    """Load the compiled resampling; None, and a line saying so, where it is not Pillow's."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return None  # elsewhere compilers fuse multiplications into sums, with other weights
    try:
        import numba

        from pipeline.extraction.resample_kernel import resampled
    except ImportError:
        return None
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return None
    noise = np.random.default_rng(0).integers(0, 256, (90, 150, 3), dtype=np.uint8)
    for pixels in (noise, noise[:7, :9].copy(), np.repeat(noise // 200 * 255, 4, axis=1)):
        image = Image.fromarray(pixels)
        for size, mode in itertools.product(((32, 32), (60, 100)), CUBIC):
            theirs = np.asarray(transforms.Resize(size, mode)(image))
            ours = resampled(_pixels(image), size, (0, size[0], 0, size[1]), cubic=CUBIC[mode])
            if not np.array_equal(ours, theirs):
                print(
                    f"Pillow {Image.__version__} resizes ({mode.value}) in another way than the "
                    "compiled code here: Pillow does it, more slowly",
                    file=sys.stderr,
                )
                return None
    return resampled
