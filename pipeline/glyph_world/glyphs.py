"""Draw characters and small pictures as 32 by 32 images: dark ink on light, tinted, noisy paper.

One recipe for every part of the benchmark `glyphs` and for its pretraining pairs, so that no part
can be told apart by how it was drawn: rotation, scale, position, tint, contrast and noise have the
same distribution for letters of every script, symbols and handwritten digits. Photographs keep
their own colours and get the noise.
"""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from pipeline.glyph_world.glyph_alphabets import font_path

SIZE = 32  # pixels of a side
_CANVAS = 128  # pixels of a side of the mask a character is drawn on, once per font
_FINE = 2 * SIZE  # masks are placed at twice the size and averaged


@dataclass(frozen=True)
class Distortion:
    """How far images stray from the plain character; uniform draws within the bounds.

    Attributes:
        rotation: Largest turn to either side, in degrees.
        scale: Smallest and largest height; at 1 a capital fills about 60 % of the image.
        shift: Largest displacement of the middle, as a share of the image side.
        contrast: Smallest and largest darkness of the ink against the paper, in [0, 1].
        noise: Standard deviation of the pixel noise, for values in [0, 1].
    """

    rotation: float = 25.0
    scale: tuple[float, float] = (0.6, 1.3)
    shift: float = 0.1
    contrast: tuple[float, float] = (0.35, 0.8)
    noise: float = 0.08


@functools.cache
def character_mask(character: str, font: str) -> Image.Image:
    """Draw a character once, centred, white on black, a capital 60 % of the canvas high."""
    face = ImageFont.truetype(
        str(font_path(font)), round(_CANVAS * 0.82), layout_engine=ImageFont.Layout.BASIC
    )
    left, top, right, bottom = face.getbbox(character)
    mask = Image.new("L", (_CANVAS, _CANVAS))
    corner = ((_CANVAS - left - right) / 2, (_CANVAS - top - bottom) / 2)
    ImageDraw.Draw(mask).text(corner, character, font=face, fill=255)
    return mask


def place(
    mask: Image.Image, rng: np.random.Generator, *, distortion: Distortion
) -> UInt8[np.ndarray, "32 32"]:
    """Turn, scale and move a square mask at random; return how much ink each pixel gets."""
    # Image.transform asks where in the mask each pixel of the result comes from.
    angle = np.deg2rad(rng.uniform(-distortion.rotation, distortion.rotation))
    zoom = mask.width / _FINE / rng.uniform(*distortion.scale)  # mask pixels per fine pixel
    shift = rng.uniform(-distortion.shift, distortion.shift, size=2) * _FINE
    a, b = zoom * np.cos(angle), zoom * np.sin(angle)
    x, y = _FINE / 2 + shift
    middle = mask.width / 2
    matrix = (a, b, middle - a * x - b * y, -b, a, middle + b * x - a * y)
    fine = mask.transform((_FINE, _FINE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(fine.reduce(2))


def ink_on_paper(
    ink: UInt8[np.ndarray, "n 32 32"], rng: np.random.Generator, *, distortion: Distortion
) -> UInt8[np.ndarray, "n 32 32 3"]:
    """Print masks in dark ink on light paper, both tinted, and add noise."""
    n = len(ink)
    paper = rng.uniform(0.7, 1.0, size=(n, 1, 1, 3)).astype(np.float32)
    darkness = rng.uniform(*distortion.contrast, size=(n, 1, 1, 1))
    tint = rng.uniform(-0.1, 0.1, size=(n, 1, 1, 3))
    drop = np.maximum(darkness + tint, 0.1).astype(np.float32)
    images = paper - ink[..., None].astype(np.float32) / 255 * drop
    return add_noise(images, rng, distortion=distortion)


def add_noise(
    images: Float32[np.ndarray, "n 32 32 3"], rng: np.random.Generator, *, distortion: Distortion
) -> UInt8[np.ndarray, "n 32 32 3"]:
    """Add pixel noise to images in [0, 1] and round them to 8 bits."""
    noise = rng.standard_normal(images.shape, dtype=np.float32) * np.float32(distortion.noise)
    return np.rint(np.clip(images + noise, 0, 1) * 255).astype(np.uint8)
