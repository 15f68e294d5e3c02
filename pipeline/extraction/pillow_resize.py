"""torchvision's resize and centre crop of a photo, the same bytes in a third of the time.

Pillow resizes a pixel at a time and takes as long as decoding the JPEG. `PillowResize` does what it
does with compiled code, where that pays and was seen to give Pillow's own bytes; otherwise, the
original steps run.
"""

import itertools
import platform
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import UInt32
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

START = 16_000_000  # pixels that Pillow resizes in about the time that loading the compiler takes
FILTERS = {
    InterpolationMode.BICUBIC: Image.Resampling.BICUBIC,
    InterpolationMode.BILINEAR: Image.Resampling.BILINEAR,
}
CUBIC = {InterpolationMode.BICUBIC: True, InterpolationMode.BILINEAR: False}


@dataclass(frozen=True)
class PillowResize:
    """A resize of the shorter side, or of both, and what a centre crop keeps: PIL image to image.

    Attributes:
        resize: The original step.
        crop: The centre crop that follows it, or None.
    """

    resize: transforms.Resize
    crop: transforms.CenterCrop | None

    @property
    def size(self) -> Any:
        """What the resize makes of the shorter side, or of both."""
        return self.resize.size

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the resized and cropped image."""
        height, width = self._resized(image)
        rows, columns = (height, width) if self.crop is None else self.crop.size
        shorter, narrower = image.height - height, image.width - width
        if (
            image.mode != "RGB"
            or (shorter, narrower) == (0, 0)
            or shorter > max(2 * narrower, 0)  # columns first, since Pillow 13
            or rows > height  # filled up by the crop
            or columns > width
            or not _KERNEL.pays(image.width * image.height)
        ):
            return self._by_pillow(image)
        top, left = round((height - rows) / 2.0), round((width - columns) / 2.0)
        window = (top, top + rows, left, left + columns)
        cubic = CUBIC[self.resize.interpolation]
        out = _KERNEL.run(_pixels(image), (height, width), window, cubic=cubic)
        return Image.frombytes("RGB", (columns, rows), out.data, "raw", "RGBX")

    def _resized(self, image: Image.Image) -> tuple[int, int]:
        size = self.resize.size
        if not isinstance(size, int) and len(size) == 2:
            return size[0], size[1]
        short = size if isinstance(size, int) else size[0]
        if image.width <= image.height:
            return int(short * image.height / image.width), short
        return short, int(short * image.width / image.height)

    def _by_pillow(self, image: Image.Image) -> Image.Image:
        image = self.resize(image)
        return image if self.crop is None else self.crop(image)


def _pixels(image: Image.Image) -> UInt32[np.ndarray, "h w"]:
    """View an RGB image's memory, where Pillow keeps four bytes a pixel; copy it if it must be."""
    size = image.height, image.width
    try:
        return pl.Series(image).to_numpy(allow_copy=False).view(np.uint32).reshape(size)
    except ValueError:  # the memory of large images is in several pieces
        return np.frombuffer(image.tobytes("raw", "RGBX"), np.uint32).reshape(size)


def with_fast_resize(steps: tuple[Callable[[Any], Any], ...]) -> tuple[Callable[[Any], Any], ...]:
    """Replace a transform's first resize, and the centre crop behind it, by the faster one."""
    match steps:
        case [transforms.Resize() as resize, transforms.CenterCrop() as crop, *rest]:
            pass
        case [transforms.Resize() as resize, *rest]:
            crop = None
        case _:
            return steps
    if resize.max_size is not None or resize.interpolation not in CUBIC:
        return steps
    return PillowResize(resize, crop), *rest


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
                self.run = self.run or _checked()  # other threads go on with Pillow meanwhile
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
        for (height, width), mode in itertools.product(((32, 32), (60, 100)), CUBIC):
            theirs = np.asarray(image.resize((width, height), FILTERS[mode]))
            window = (0, height, 0, width)
            ours = resampled(_pixels(image), (height, width), window, cubic=CUBIC[mode])
            if not np.array_equal(ours[..., :3], theirs):
                print(
                    f"Pillow {Image.__version__} resizes ({mode.value}) in another way than the "
                    "compiled code here: Pillow does it, more slowly",
                    file=sys.stderr,
                )
                return None
    return resampled
