"""What an entry of ``datasets`` says of a part of the embedded benchmark."""

from dataclasses import dataclass, field
from typing import Literal

from pipeline.glyph_world.glyph_sets import PARTS
from pipeline.glyph_world.glyphs import Distortion


@dataclass(frozen=True)
class RenderParams:
    """One entry of ``datasets`` with ``source: glyphs``.

    Attributes:
        part: Which part of the benchmark, a key of `PARTS`.
        per_class: Images a class.
        source: Says that this stage makes the images.
        seed: Seed of the draws; every part and class has its own stream of it.
        distortion: The recipe of the images.
    """

    part: str
    per_class: int
    source: Literal["glyphs"] = "glyphs"
    seed: int = 1
    distortion: Distortion = field(default_factory=Distortion)

    def __post_init__(self) -> None:
        """Refuse unknown parts and empty classes."""
        if self.part not in PARTS:
            raise ValueError(f"unknown part '{self.part}' of glyphs; known: {', '.join(PARTS)}")
        if not 1 <= self.per_class <= 10_000:
            raise ValueError(f"per_class must be between 1 and 10000, got {self.per_class}")
