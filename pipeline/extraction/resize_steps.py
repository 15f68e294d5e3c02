"""What a model's transform does to a picture, where that is a resize and a crop of the centre."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torchvision import transforms
from torchvision.transforms import InterpolationMode

NO_PIXELS = ("MaybeConvertMode", "_convert_to_rgb")  # steps that only make a picture RGB
KNOWN = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)


@dataclass(frozen=True)
class ResizeAndCrop:
    """The steps of a transform before bytes become floats, on a picture that is RGB already.

    Attributes:
        sides: What `torchvision.transforms.Resize` was given: the shorter side, or both.
        interpolation: Bilinear or bicubic, antialiased.
        crop: Height and width of the crop of the centre; None for none.
    """

    sides: tuple[int, ...]
    interpolation: InterpolationMode
    crop: tuple[int, int] | None

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width between the resize and the crop."""
        if len(self.sides) == 2:
            return self.sides[0], self.sides[1]
        [short] = self.sides
        if width <= height:
            return int(short * height / width), short
        return short, int(short * width / height)


def resize_and_crop(steps: Sequence[Callable[[Any], Any]]) -> ResizeAndCrop | None:
    """Read a transform's steps; None where they are more, or resize in another way."""
    match [step for step in steps if step_name(step) not in NO_PIXELS]:
        case [transforms.Resize() as resize]:
            crop = None
        case [transforms.Resize() as resize, transforms.CenterCrop() as centre]:
            crop = (int(centre.size[0]), int(centre.size[1]))
        case _:
            return None
    if resize.interpolation not in KNOWN or resize.max_size is not None:
        return None
    sides = [resize.size] if isinstance(resize.size, int) else resize.size
    return ResizeAndCrop(tuple(int(side) for side in sides), resize.interpolation, crop)


def step_name(step: Any) -> str:
    """Return a step's name, function or object."""
    return getattr(step, "__name__", type(step).__name__)
