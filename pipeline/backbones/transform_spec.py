"""What a backbone's entry may change of its evaluation transform: a known key, a usable value.

open_clip and timm both read the keys they know from a mapping and pass over all others, so that a
misspelt one would leave the checkpoint's own value in place without a word.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.params import from_mapping


@dataclass(frozen=True)
class OpenClipTransform:
    """open_clip's preprocessing, ``models.<backbone>.transform``.

    Attributes:
        size: Side of the square crop in pixels, or its height and width.
        mean: Channel means of pixels in [0, 1].
        std: Channel standard deviations of pixels in [0, 1].
        interpolation: Of the resizing.
        resize_mode: Which edge reaches `size`: the shortest, which crops; the longest, which
            fills up; or both.
        fill_color: What the longest edge's rest is filled with, 0 to 255.
    """

    size: int | list[int] | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    interpolation: Literal["bicubic", "bilinear"] | None = None
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    fill_color: int | None = None


@dataclass(frozen=True)
class TimmTransform:
    """timm's data configuration, ``models.<backbone>.transform``.

    Attributes:
        input_size: Channels (3), height and width of the crop in pixels.
        mean: Channel means of pixels in [0, 1].
        std: Channel standard deviations of pixels in [0, 1].
        interpolation: Of the resizing.
        crop_pct: Edge of the crop as a share of the resized edge.
        crop_mode: ``center`` keeps the aspect and crops, ``squash`` does not keep it, ``border``
            keeps it and fills up.
    """

    input_size: list[int] | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"] | None = (
        None
    )
    crop_pct: float | None = None
    crop_mode: Literal["center", "squash", "border"] | None = None


SCHEMAS = {"open_clip": OpenClipTransform, "timm": TimmTransform}


def transform_values(loader: str, values: dict[str, Any], *, section: str) -> dict[str, Any]:
    """Return the keys that an entry sets, checked; a null leaves the checkpoint's own value.

    Args:
        loader: ``open_clip`` or ``timm``.
        values: As they stand in params.yaml.
        section: Where they stand, for messages.

    Raises:
        ValueError: If a key is not the loader's, a value is none it can work with, or one of mean
            and std is given without the other.
    """
    schema: type = SCHEMAS[loader]
    read = dataclasses.asdict(from_mapping(schema, values, section=section))
    given = {key: value for key, value in read.items() if value is not None}
    for key, value in given.items():
        if rule := _broken_rule(key, value):
            raise ValueError(f"'{section}.{key}' must be {rule}, got {value!r}")
    if len(alone := {"mean", "std"} & set(given)) == 1:
        (missing,) = {"mean", "std"} - alone
        raise ValueError(
            f"'{section}' must set mean and std together, got {alone.pop()} alone, to which the "
            f"checkpoint's own {missing} need not belong; give '{section}.{missing}' too"
        )
    return given


def _broken_rule(key: str, value: Any) -> str | None:
    """Return the rule that a value breaks, in words; None where it is usable."""
    match key:
        case "mean":
            usable = len(value) == 3 and all(0 <= number <= 1 for number in value)
            rule = "three numbers from 0 to 1 (divide by 255 what was measured on bytes)"
        case "std":
            usable = len(value) == 3 and all(0 < number < math.inf for number in value)
            rule = "three numbers above 0"
        case "size":
            sides = value if isinstance(value, list) else [value, value]
            usable = len(sides) == 2 and min(sides) > 0
            rule = "a number of pixels above 0, or two: height and width"
        case "input_size":
            usable = len(value) == 3 and value[0] == 3 and min(value) > 0
            rule = "[3, height, width] with sides above 0"
        case "crop_pct":
            usable, rule = 0 < value <= 1, "above 0 and at most 1"
        case "fill_color":
            usable, rule = 0 <= value <= 255, "from 0 to 255"
        case _:
            return None
    return None if usable else rule
