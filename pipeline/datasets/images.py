"""One image file's bytes as an RGB picture, exactly as the models' own loaders would see it.

timm and torchvision's folder loader call ``Image.open(...).convert("RGB")`` and ignore the EXIF
orientation, so that is the default here: transparency is dropped, CMYK goes through Pillow's own
conversion, an animation gives its first frame, and the content decides the format, not the name.
Only 16-bit greyscale differs: Pillow clips it at 255, here its high byte is kept, as Pillow
itself does for 16-bit colour.
"""

import io
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 178_956_970  # where Pillow itself calls an image a decompression bomb
MAX_RATIO = 500  # of the sides: resizing the short one to 224 makes a strip's long one enormous
Image.MAX_IMAGE_PIXELS = None  # decode_image checks its own limit before any pixel is decoded


@dataclass(frozen=True)
class ImageParams:
    """Section ``images`` of params.yaml: how files become pictures, for every stage alike."""

    max_pixels: int = MAX_PIXELS
    exif: Literal["ignore", "apply"] = "ignore"


class ImageError(ValueError):
    """A file that is no readable image: carries its path and the reason."""

    def __init__(self, path: str, reason: str) -> None:
        """Keep both arguments, so that the error survives the way out of a worker process."""
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Path and reason on one line."""
        return f"{self.path}: {self.reason}"


def decode_image(
    data: bytes,
    *,
    path: str,
    max_pixels: int = MAX_PIXELS,
    exif: Literal["ignore", "apply"] = "ignore",
    at_least: int | None = None,
) -> Image.Image:
    """Decode a file's bytes completely into an RGB image.

    Args:
        data: The file's content.
        path: Its name, for the error only; a wrong extension does not matter.
        max_pixels: Refuse images of more pixels before decoding them.
        exif: ``apply`` turns the image as its EXIF orientation says; ``ignore`` is what the
            models' own loaders do.
        at_least: Let the JPEG decoder halve the sides, up to three times, while both keep this
            many pixels: faster, and other pixels. None decodes every file in full.

    Raises:
        ImageError: If the bytes are not a complete image that can be shown in RGB.
    """
    if not data:
        raise ImageError(path, "the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # palettes with transparency, odd EXIF blocks
            with Image.open(io.BytesIO(data)) as image:
                check_size(image, path=path, max_pixels=max_pixels)
                if at_least is not None:
                    image.draft("RGB", (at_least, at_least))  # other formats than JPEG ignore it
                turned = ImageOps.exif_transpose(image) if exif == "apply" else image
                turned.load()
                return _to_rgb(turned, path=path)
    except ImageError:
        raise
    except Image.UnidentifiedImageError:
        raise ImageError(path, f"no image format known to Pillow (begins {data[:8]!r})") from None
    except Exception as error:  # a damaged file raises whatever its decoder stumbles over
        reason = str(error) or type(error).__name__
        raise ImageError(path, f"unreadable image ({reason})") from error


def check_size(image: Image.Image, *, path: str, max_pixels: int) -> None:
    """Refuse an image, opened but not yet decoded, that would cost too much memory.

    Raises:
        ImageError: If it has more pixels than `max_pixels`, or is a strip.
    """
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            path,
            f"{width} x {height} pixels are more than images.max_pixels = {max_pixels}; "
            "raise that parameter if the file is genuine",
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ImageError(
            path,
            f"{width} x {height} pixels: one side must be at most {MAX_RATIO} times the other, "
            "for models resize the shorter one; crop the file or leave it out",
        )


def _to_rgb(image: Image.Image, *, path: str) -> Image.Image:
    """Convert any Pillow mode to RGB; only modes deeper than 8 bits need a rule of ours."""
    if image.mode == "RGB":
        return image  # complete in memory; closing its file leaves the pixels
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        pixels = np.asarray(image)
        if image.mode == "F" or pixels.min() < 0 or pixels.max() > 65535:
            raise ImageError(
                path,
                f"pixels of mode '{image.mode}' between {pixels.min()} and {pixels.max()} have no "
                "declared white; convert the file to 8 or 16 bits",
            )
        return Image.fromarray((pixels >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
