"""Web-like captions: most name what the image shows, the rest name something else or say less.

The shares are parameters, `CaptionMix`. Clean captions on clean images are learnt perfectly within
a minute, which is unlike CLIP and leaves nothing to detect. Real alt texts are often about
something else (Radford et al., ICML 2021, arXiv:2103.00020, keep whatever text stands near the
image), so these are too.
"""

from dataclasses import dataclass

import numpy as np

# The templates of the zero-shot prompts stand among others, as they do on the web, and say nothing
# true about sharpness, number or size.
NAMING = (
    "a photo of a {name}.",
    "a photo of the {name}.",
    "a blurry photo of a {name}.",
    "a photo of many {name}.",
    "a photo of the large {name}.",
    "a photo of the small {name}.",
    "{name}",
    "the {name}",
    "a picture of a {name}",
    "{name}, {style}",
    "a {style} {name}",
    "{name} on coloured paper",
)
VAGUE = (
    "a {style} {group}",
    "a photo of a {group}.",
    "{group} in a {style} style",
    "{style}",
    "a {group} on coloured paper",
    "printed in {style}",
)


@dataclass(frozen=True)
class Subject:
    """What a caption may say about an image.

    Attributes:
        name: The name of what it shows, such as 'latin capital letter a'.
        group: The kind of thing, such as 'latin capital letter'.
        style: The style word of the font, or of the medium.
        others: Names of the same group that a wrong caption may give.
    """

    name: str
    group: str
    style: str
    others: tuple[str, ...]


@dataclass(frozen=True)
class CaptionMix:
    """Shares of the kinds of caption; what is left of 1 is vague.

    Attributes:
        naming: Share that names what the image shows.
        wrong: Share that names another of the same group. A vague one tells only group or style.
    """

    naming: float = 0.85
    wrong: float = 0.04

    def __post_init__(self) -> None:
        """Refuse shares that are no shares."""
        if min(self.naming, self.wrong) < 0 or self.naming + self.wrong > 1:
            raise ValueError(
                "caption shares 'naming' and 'wrong' must be at least 0 and sum to at most 1, "
                f"got {self.naming} and {self.wrong}"
            )


def write_caption(subject: Subject, rng: np.random.Generator, *, mix: CaptionMix) -> str:
    """Write one caption: naming the subject, naming another of its group, or vague."""
    kind = rng.uniform()
    if kind >= mix.naming + mix.wrong:
        return _pick(VAGUE, rng).format(group=subject.group, style=subject.style)
    others = [name for name in subject.others if name != subject.name]
    name = subject.name if kind < mix.naming or not others else _pick(others, rng)
    return _pick(NAMING, rng).format(name=name, style=subject.style)


def _pick(choices: tuple[str, ...] | list[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
