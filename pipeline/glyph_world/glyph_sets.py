"""The parts of the benchmark `glyphs`, and the classes that pretraining pairs are drawn from.

Training and test images of the capitals use the same fonts and recipe and independent draws, like
the split of one collection. The bundled handwritten digits and photographs are parted: the first
digits and the left halves of the photographs are for pretraining, the rest is for the benchmark.
"""

import functools
import zlib

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from pipeline.glyph_world.glyph_alphabets import FONTS, SCRIPTS, character_name, fonts_for
from pipeline.glyph_world.glyphs import (
    SIZE,
    Distortion,
    add_noise,
    character_mask,
    ink_on_paper,
    place,
)

GROUPS = {  # group -> what a vague caption calls it
    "latin": "latin capital letter",
    "cyrillic": "cyrillic capital letter",
    "greek": "greek letter",
    "digits": "digit",
    "symbols": "symbol",
    "handwritten": "handwritten digit",
    "photo_patches": "photograph",
}
PARTS = {  # part of the benchmark -> group
    "capitals_train": "latin",
    "capitals_test": "latin",
    **{
        group: group
        for group in ("cyrillic", "greek", "digits", "symbols", "handwritten", "photo_patches")
    },
}
_PHOTOS = {"photograph of a flower": "flower.jpg", "photograph of a temple": "china.jpg"}
_PRETRAINING_DIGITS = 1000  # of 1797, in the published order; the writers of the last ones differ


def group_classes(group: str) -> tuple[str, ...]:
    """List the class names of a group in the order of labels and rows, that of `directory`."""
    if group not in GROUPS:
        raise ValueError(f"unknown group '{group}'; known: {', '.join(GROUPS)}")
    if group == "photo_patches":
        names = list(_PHOTOS)
    elif group == "handwritten":
        names = [f"handwritten {character_name(digit)}" for digit in SCRIPTS["digits"]]
    else:
        names = [character_name(character) for character in SCRIPTS[group]]
    return tuple(sorted(names, key=directory))


def directory(class_name: str) -> str:
    """Return the folder of a class: its name with underscores."""
    return class_name.replace(" ", "_")


def stream(seed: int, *words: str) -> np.random.Generator:
    """Return a generator of its own for a seed and some words, the same on every machine."""
    return np.random.default_rng([seed, zlib.crc32("/".join(words).encode())])


def draw_class(
    group: str,
    class_name: str,
    count: int,
    rng: np.random.Generator,
    *,
    distortion: Distortion,
    pretraining: bool = False,
) -> tuple[UInt8[np.ndarray, "n 32 32 3"], list[str]]:
    """Draw images of one class.

    Args:
        group: A key of `GROUPS`.
        class_name: One of `group_classes(group)`.
        count: How many images.
        rng: Where randomness comes from.
        distortion: How far images stray from the plain character.
        pretraining: Whether handwritten digits and photographs come from the pretraining side.

    Returns:
        The images, and for each the style word a caption may use.
    """
    if class_name not in group_classes(group):
        raise ValueError(f"group '{group}' has no class '{class_name}'")
    if group == "photo_patches":
        patches = _photo_patches(_PHOTOS[class_name], count, rng, left=pretraining)
        return add_noise(patches, rng, distortion=distortion), ["colour"] * count
    if group == "handwritten":
        masks = _handwritten_masks(class_name, pretraining=pretraining)
        chosen = np.resize(rng.permutation(len(masks)), count)
        drawn, styles = [masks[i] for i in chosen], ["handwriting"] * count
    else:
        character = _characters(group)[class_name]
        fonts = rng.choice(fonts_for(character), size=count)
        drawn = [character_mask(character, str(font)) for font in fonts]
        styles = [FONTS[str(font)] for font in fonts]
    ink = [place(mask, rng, distortion=distortion) for mask in drawn]
    stacked = np.stack(ink) if ink else np.zeros((0, SIZE, SIZE), dtype=np.uint8)
    return ink_on_paper(stacked, rng, distortion=distortion), styles


@functools.cache
def _characters(group: str) -> dict[str, str]:
    return {character_name(character): character for character in SCRIPTS[group]}


@functools.cache
def _handwritten_masks(class_name: str, *, pretraining: bool) -> tuple[Image.Image, ...]:
    """Enlarge scikit-learn's 8 by 8 digits of one class to the canvas of drawn characters."""
    from sklearn.datasets import load_digits  # half a second, and only this group needs it

    scans, labels = load_digits(return_X_y=True)
    side = slice(None, _PRETRAINING_DIGITS) if pretraining else slice(_PRETRAINING_DIGITS, None)
    digit = int(next(d for d in SCRIPTS["digits"] if class_name.endswith(character_name(d))))
    masks = []
    for scan in scans[side][labels[side] == digit]:
        small = Image.fromarray(np.rint(scan.reshape(8, 8) * (255 / 16)).astype(np.uint8))
        mask = Image.new("L", (128, 128))
        mask.paste(small.resize((80, 80), Image.Resampling.BICUBIC), (24, 24))
        masks.append(mask)
    return tuple(masks)


def _photo_patches(
    photo: str, count: int, rng: np.random.Generator, *, left: bool
) -> Float32[np.ndarray, "n 32 32 3"]:
    """Cut square patches of 32 to 96 pixels from one half of a photograph, resized to 32."""
    from sklearn.datasets import load_sample_image

    pixels = load_sample_image(photo)
    middle = pixels.shape[1] // 2
    half = Image.fromarray(np.ascontiguousarray(pixels[:, :middle] if left else pixels[:, middle:]))
    patches = np.empty((count, SIZE, SIZE, 3), dtype=np.float32)
    for i in range(count):
        side = int(rng.integers(SIZE, 3 * SIZE + 1))
        x, y = (int(rng.integers(length - side + 1)) for length in half.size)
        box = (x, y, x + side, y + side)
        patches[i] = np.asarray(half.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box))
    return patches / 255
