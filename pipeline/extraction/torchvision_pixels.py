"""``extract.decode: device``: JPEGs decoded and images resized on tensors, where the model runs.

On a GPU, nvJPEG decodes (torchcodec) and CUDA resizes (torchvision), so that the machine's cores
only read files; on a CPU the decoding threads do both with the same libraries' kernels. Pixels
differ from Pillow's by a level now and then (nvJPEG: more, for it interpolates colours more
simply); benchmarks/fidelity.py measures what that does. What is no plain JPEG is decoded by
Pillow and only resized here.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchcodec.decoders import decode_jpeg  # pyright: ignore[reportPrivateImportUsage]
from torchvision import transforms
from torchvision.transforms.v2 import functional

from pipeline.datasets.images import ImageError, ImageParams, check_size, decode_image
from pipeline.extraction.resize_steps import ResizeAndCrop, resize_and_crop, step_name

TOGETHER = 1 << 26  # pixels decoded in one call: 200 MB
STEEPEST = 40  # CUDA's bicubic kernel runs out of shared memory where it shrinks 47-fold
ORIENTATION = 0x0112
END = b"\xff\xd9"


@dataclass(frozen=True)
class Encoded:
    """A JPEG to be decoded where the model is; path and params for when that fails."""

    data: bytes
    path: str
    params: ImageParams
    pixels: int


@dataclass(frozen=True)
class TorchvisionPixels:
    """A transform's resizing and cropping, on tensors.

    Attributes:
        steps: The transform's.
        device: Where JPEGs are decoded and images resized.
        late: Leave both to `finish`, which has a whole piece of a batch: for GPUs.
    """

    steps: ResizeAndCrop
    device: torch.device
    late: bool

    def read(self, data: bytes, path: str, params: ImageParams) -> Tensor | Encoded:
        """Return what a decoding thread hands over for one file.

        Returns:
            uint8 [h w 3], finished; if `late`, a JPEG's bytes or another image's pixels.

        Raises:
            ImageError: If the bytes are no image that can be shown in RGB.
        """
        size = plain_jpeg_size(data, path=path, params=params)
        if size and (upright := without_exif(data)):
            encoded = Encoded(upright, path, params, size)
            return encoded if self.late else self._resized(self._decode([encoded])[0])
        pixels = _by_pillow(data, path, params)
        return pixels if self.late else self._resized(pixels)

    def finish(self, items: Sequence[Tensor | Encoded]) -> UInt8[Tensor, "b h w 3"]:
        """Return what `read` handed over as one batch on the device."""
        jpegs = [item for item in items if isinstance(item, Encoded)]
        decoded = (picture for group in _groups(jpegs) for picture in self._decode(group))
        return torch.stack(
            [
                self._resized(next(decoded) if isinstance(item, Encoded) else item.to(self.device))
                for item in items
            ]
        )

    def _decode(self, jpegs: Sequence[Encoded]) -> list[UInt8[Tensor, "3 h w"]]:
        try:
            return list(decode_jpeg([jpeg.data for jpeg in jpegs], device=self.device))
        except RuntimeError as error:
            if isinstance(error, torch.AcceleratorError | torch.OutOfMemoryError) or (
                self.late and "memory" in str(error).lower()
            ):
                raise  # not the file's fault: other pixels would depend on what is free
            if len(jpegs) > 1:  # one of them
                return [picture for jpeg in jpegs for picture in self._decode([jpeg])]
        # Pillow reads it, or says what is wrong with it
        [jpeg] = jpegs
        return [_by_pillow(jpeg.data, jpeg.path, jpeg.params).to(self.device)]

    def _resized(self, picture: UInt8[Tensor, "3 h w"]) -> UInt8[Tensor, "height width 3"]:
        sides, crop = list(self.steps.sides), self.steps.crop
        if self.late and min(picture.shape[1:]) > STEEPEST * max(sides):
            picture = picture.cpu()
        picture = functional.resize(
            picture, sides, interpolation=self.steps.interpolation, antialias=True
        )
        if crop is not None:
            picture = functional.center_crop(picture, list(crop))
        return picture.permute(1, 2, 0).contiguous().to(self.device)


def torchvision_pixels(steps: Sequence[Any], device: torch.device) -> TorchvisionPixels:
    """Read a transform's steps on pictures.

    Args:
        steps: Those before bytes become floats.
        device: Where the model is.

    Raises:
        ValueError: If they are more than a resize, and a crop of the centre; or if JPEGs cannot be
            decoded on this device.
    """
    _try_decoding(device)
    read = resize_and_crop(steps)
    if read is None:
        found = ", ".join(_described(step) for step in steps) or "nothing"
        raise ValueError(
            "extract.decode: device needs a transform that resizes, bilinear or bicubic, and crops "
            f"the centre, this one has {found}; set extract.decode: exact"
        )
    return TorchvisionPixels(read, device, device.type != "cpu")


def plain_jpeg_size(data: bytes, *, path: str, params: ImageParams) -> int:
    """Return the pixels of a file that torchcodec shows as Pillow does, 0 for any other.

    That is a grey or YCbCr JPEG that need not be turned and has its end (a GPU may show half a
    file without a word).

    Raises:
        ImageError: If it is too large to be decoded.
    """
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")  # odd EXIF blocks
            check_size(image, path=path, max_pixels=params.max_pixels)
            plain = (
                image.format == "JPEG"
                and image.mode in ("RGB", "L")
                and image.info.get("adobe_transform") != 0
                and (params.exif == "ignore" or image.getexif().get(ORIENTATION, 1) == 1)
                and END in data[-1024:]
            )
            return image.width * image.height if plain else 0
    except ImageError:
        raise
    except Exception:  # Pillow's own decoding says it better
        return 0


def without_exif(data: bytes) -> bytes | None:
    """Return a JPEG without its EXIF blocks, by which torchcodec would turn it; None if it is odd.

    torchcodec reads an orientation where Pillow finds none, in malformed blocks.
    """
    kept, position = [data[:2]], 2
    while data[position : position + 1] == b"\xff":
        marker, length = data[position + 1 : position + 2], data[position + 2 : position + 4]
        end = position + 2 + int.from_bytes(length)
        if marker == b"\xda":  # the picture begins
            return b"".join((*kept, data[position:]))
        if end < position + 4 or not b"\xc0" <= marker <= b"\xfe" or b"\xd0" <= marker <= b"\xd9":
            return None
        if marker != b"\xe1" or data[position + 4 : position + 8] != b"Exif":
            kept.append(data[position:end])
        position = end
    return None


def _groups(jpegs: Sequence[Encoded]) -> list[list[Encoded]]:
    """Cut a batch where its pictures would take too much memory at once."""
    groups: list[list[Encoded]] = []
    free = 0
    for jpeg in jpegs:
        if jpeg.pixels > free:
            groups.append([])
            free = max(TOGETHER, jpeg.pixels)
        groups[-1].append(jpeg)
        free -= jpeg.pixels
    return groups


def _try_decoding(device: torch.device) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "jpeg")
    try:
        decode_jpeg([stream.getvalue()], device=device)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"extract.decode: device needs a torchcodec that decodes JPEGs on {device}, and this "
            f"one fails ({reason}); set extract.decode: exact"
        ) from error


def _by_pillow(data: bytes, path: str, params: ImageParams) -> UInt8[Tensor, "3 h w"]:
    image = decode_image(data, path=path, max_pixels=params.max_pixels, exif=params.exif)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _described(step: Any) -> str:
    return str(step) if isinstance(step, transforms.Resize) else step_name(step)
