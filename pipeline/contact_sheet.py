"""A picture of an attack: source, crafted images, amplified perturbations and target, by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont, ImageOps

THUMB = 132  # pixels of one picture's side
GAP = 10
LINE = 17  # of text
INK, PAPER, FAINT = (20, 20, 20), (255, 255, 255), (90, 90, 90)


@dataclass(frozen=True)
class Crafted:
    """One variant of one source image.

    Attributes:
        image: What the file holds.
        lines: What is written below it.
    """

    image: Image.Image
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One source image, its variants in the order of the sheet's columns, and the ID target."""

    source: Image.Image
    source_lines: tuple[str, ...]
    variants: tuple[Crafted, ...]
    target: Image.Image | None
    target_lines: tuple[str, ...]


def contact_sheet(
    rows: Sequence[Row], *, variant_names: Sequence[str], title: Sequence[str]
) -> Image.Image:
    """Draw the sheet; each variant states the factor its perturbations are amplified by.

    Raises:
        ValueError: If there is no row, or a row has another number of variants.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    if wrong := [row for row in rows if len(row.variants) != len(variant_names)]:
        raise ValueError(
            f"every row must show {len(variant_names)} variants, got {len(wrong[0].variants)}"
        )
    changes = [
        [perturbation(row.source, row.variants[v].image) for row in rows]
        for v in range(len(variant_names))
    ]
    factors = [amplification(changes[v]) for v in range(len(variant_names))]
    heads = ["OOD image"]
    for name, factor in zip(variant_names, factors, strict=True):
        heads += [f"{name}: crafted", f"{name}: change x {factor}"]
    heads.append("ID target")
    bold, font = ImageFont.load_default(14), ImageFont.load_default(12)
    text_lines = max(
        len(wrapped(lines, font))
        for row in rows
        for lines in (row.source_lines, row.target_lines, *(v.lines for v in row.variants))
    )
    top = GAP + LINE * (len(title) + 1) + GAP
    height = THUMB + text_lines * LINE + GAP
    size = (GAP + len(heads) * (THUMB + GAP), top + LINE + len(rows) * height)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(title):
        pen.text((GAP, GAP + number * LINE), line, INK, font=bold if number == 0 else font)
    for column, head in enumerate(heads):
        pen.text((_left(column), top - LINE // 2), head, INK, font=font)
    for number, row in enumerate(rows):
        y = top + LINE + number * height
        cells: list[tuple[Image.Image | None, tuple[str, ...]]] = [(row.source, row.source_lines)]
        for v, variant in enumerate(row.variants):
            amplified = around_grey(changes[v][number], factor=factors[v])
            cells += [(variant.image, variant.lines), (amplified, ())]
        cells.append((row.target, row.target_lines))
        for column, (image, lines) in enumerate(cells):
            if image is not None:
                sheet.paste(thumbnail(image), (_left(column), y))
            for at, line in enumerate(wrapped(lines, font)):
                place = (_left(column), y + THUMB + 2 + at * LINE)
                pen.text(place, line, FAINT, font=font)
    return sheet


def perturbation(source: Image.Image, crafted: Image.Image) -> Float[np.ndarray, "h w 3"]:
    """Crafted minus source, the source resized on its short side and cropped at the centre."""
    if source.size != crafted.size:
        source = ImageOps.fit(source, crafted.size, Image.Resampling.BICUBIC)
    return (np.asarray(crafted, dtype=np.float32) - np.asarray(source, dtype=np.float32)) / 255


def amplification(changes: Sequence[Float[np.ndarray, "h w 3"]]) -> int:
    """The largest power of two that keeps all but one in two hundred channel values in range."""
    size = float(np.quantile(np.abs(np.concatenate([change.ravel() for change in changes])), 0.995))
    return 1 if size == 0 else max(1, 1 << int(np.log2(max(1.0, 0.5 / size))))


def around_grey(change: Float[np.ndarray, "h w 3"], *, factor: int) -> Image.Image:
    """The amplified change, drawn around middle grey; what leaves the range is clipped."""
    return Image.fromarray(np.rint(255 * np.clip(0.5 + factor * change, 0, 1)).astype(np.uint8))


def thumbnail(image: Image.Image) -> Image.Image:
    """A square of fixed size; small images keep their pixels visible."""
    small = max(image.size) <= THUMB
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return ImageOps.pad(image.convert("RGB"), (THUMB, THUMB), how, color=PAPER)


def _left(column: int) -> int:
    return GAP + column * (THUMB + GAP)


def wrapped(lines: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Lines as wide as a picture; a name that is wider goes on below, and is cut only then."""
    kept: list[str] = []
    for line in lines:
        words = line.split(" ")
        fits = [n for n in range(1, len(words)) if font.getlength(" ".join(words[:n])) <= THUMB]
        if font.getlength(line) > THUMB and fits:
            kept += [" ".join(words[: fits[-1]]), _fitting(" ".join(words[fits[-1] :]), font)]
        else:
            kept.append(_fitting(line, font))
    return kept


def _fitting(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Shorten a line that is wider than its picture."""
    if font.getlength(line) <= THUMB:
        return line
    while line and font.getlength(line + "…") > THUMB:
        line = line[:-1]
    return line + "…"
