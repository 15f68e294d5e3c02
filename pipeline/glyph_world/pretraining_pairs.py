"""Image-caption pairs as the web would give them: every script, symbols, scans, photographs."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from pipeline.glyph_world.captions import CaptionMix, Subject, write_caption
from pipeline.glyph_world.glyph_sets import GROUPS, draw_class, group_classes, stream
from pipeline.glyph_world.glyphs import Distortion

SHARES = {
    "latin": 0.5,
    "cyrillic": 0.13,
    "greek": 0.13,
    "digits": 0.08,
    "symbols": 0.08,
    "handwritten": 0.05,
    "photo_patches": 0.03,
}


@dataclass(frozen=True)
class PairParams:
    """What the pretraining pairs are.

    Attributes:
        count: How many pairs.
        seed: Seed of the images and captions.
        shares: Share of each group of `GROUPS`; they sum to 1.
        captions: Shares of the kinds of caption.
        distortion: The recipe of the images, that of the benchmark.
    """

    count: int = 20_000
    seed: int = 0
    shares: dict[str, float] = field(default_factory=lambda: dict(SHARES))
    captions: CaptionMix = field(default_factory=CaptionMix)
    distortion: Distortion = field(default_factory=Distortion)

    def __post_init__(self) -> None:
        """Refuse shares that are no shares."""
        if unknown := sorted(set(self.shares) - set(GROUPS)):
            raise ValueError(f"unknown group '{unknown[0]}' in shares; known: {', '.join(GROUPS)}")
        if min(self.shares.values()) < 0 or abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"shares must be at least 0 and sum to 1, got {self.shares}")


def draw_pairs(params: PairParams) -> tuple[UInt8[np.ndarray, "n 32 32 3"], list[str]]:
    """Draw the pairs, group by group and class by class, evenly within a group.

    Returns:
        About `params.count` images (each class is rounded up) and a caption for each.
    """
    images, captions = [], []
    for group, share in params.shares.items():
        names = group_classes(group)
        for name in names:
            rng = stream(params.seed, "pairs", group, name)
            count = int(np.ceil(params.count * share / len(names)))
            drawn, styles = draw_class(
                group, name, count, rng, distortion=params.distortion, pretraining=True
            )
            images.append(drawn)
            captions += [
                write_caption(Subject(name, GROUPS[group], style, names), rng, mix=params.captions)
                for style in styles
            ]
    return np.concatenate(images), captions
