"""A picture of pairs of images side by side, each with a line of text below."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

THUMB = 128  # pixels of one picture's side
GAP = 12
LINE = 15  # of text
INK, PAPER, FAINT = (20, 20, 20), (255, 255, 255), (225, 225, 225)
PAIRS_ACROSS = 3


@dataclass(frozen=True)
class PicturePair:
    """Two pictures and what is written below them; None where a picture cannot be shown."""

    left: Image.Image | None
    right: Image.Image | None
    lines: tuple[str, ...]


def pair_sheet(pairs: Sequence[PicturePair], *, title: str) -> Image.Image:
    """Draw pairs in rows of three; without any, the title says so alone."""
    texts = max((len(pair.lines) for pair in pairs), default=0)
    cell = (2 * THUMB + 4 + GAP, THUMB + LINE * texts + GAP)
    rows = -(-len(pairs) // PAIRS_ACROSS)
    top = 2 * GAP + LINE
    size = (GAP + PAIRS_ACROSS * cell[0], top + rows * cell[1])
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    pen.text((GAP, GAP), title, INK, font=ImageFont.load_default(14))
    for number, pair in enumerate(pairs):
        down, across = divmod(number, PAIRS_ACROSS)
        x, y = GAP + across * cell[0], top + down * cell[1]
        for side, picture in enumerate((pair.left, pair.right)):
            sheet.paste(_thumbnail(picture), (x + side * (THUMB + 4), y))
        for place, line in enumerate(pair.lines):
            text = _fitted(line, font, width=2 * THUMB)
            pen.text((x, y + THUMB + 2 + place * LINE), text, INK, font=font)
    return sheet


def _thumbnail(picture: Image.Image | None) -> Image.Image:
    """A square of the sheet's size; small pictures keep their pixels visible."""
    if picture is None:
        return Image.new("RGB", (THUMB, THUMB), FAINT)
    small = max(picture.size) < THUMB
    resample = Image.Resampling.NEAREST if small else Image.Resampling.BICUBIC
    return ImageOps.pad(picture, (THUMB, THUMB), method=resample, color=PAPER)


def _fitted(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, *, width: int) -> str:
    """The end of a line that is too long, since paths differ there."""
    if font.getlength(line) <= width:
        return line
    while line and font.getlength("…" + line) > width:
        line = line[1:]
    return "…" + line
