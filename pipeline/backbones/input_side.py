"""How large a backbone's images are, as far as its entry says so: no model is built for it."""

from collections.abc import Mapping
from typing import Any

USUAL = 224


def input_side(entry: Mapping[str, Any]) -> int:
    """Return the pixels of the longer side of a backbone's images; 224 where nothing says more.

    Args:
        entry: Its entry of the backbone table.
    """
    transform = entry.get("transform") or {}
    vision = (entry.get("model_cfg") or {}).get("vision_cfg") or {}
    size = transform.get("size") or vision.get("image_size") or USUAL
    if transform.get("input_size"):  # channels, height, width
        size = transform["input_size"][1:]
    return size if isinstance(size, int) else max(size)
