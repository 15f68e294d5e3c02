"""Backbones that are pretrained here know rendered characters and nothing else."""

from collections.abc import Mapping
from typing import Any


def glyph_backbones_warning(params: Mapping[str, Any]) -> str | None:
    """Say that backbones pretrained on `glyphs` are computed on other images; None if none are.

    They are the defaults, so that a benchmark of other images has them where nobody named another.

    Args:
        params: All of params.yaml.
    """
    rendered = [
        name
        for name, entry in params["datasets"].items()
        if isinstance(entry, Mapping) and entry.get("source") == "glyphs"
    ]
    small = [name for name in params["backbones"] if params["models"][name].get("pretrain")]
    if rendered or not small:
        return None
    benchmark = params["benchmark"]["name"]
    return (
        f"{', '.join(small)}: pretrained here on rendered characters of 32 pixels, knows nothing "
        f"of the images of '{benchmark}'; for one that does, alone: -S study=single "
        "-S backbone=vit_b, or another name of conf/models/"
    )
