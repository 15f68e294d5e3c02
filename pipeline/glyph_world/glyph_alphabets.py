"""The characters of the benchmark `glyphs`: scripts, names and the fonts that can draw them.

Letters that coincide in shape with a Latin capital are left out everywhere: an image of the
Cyrillic letter ve is an image of a Latin B, whatever its code point, and would be a wrong label in
an out-of-distribution set. `LEFT_OUT` lists them.
"""

import functools
import unicodedata
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font

SCRIPTS: dict[str, str] = {
    "latin": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "cyrillic": "БГДЖЗИЛПФЦЧШЩЪЫЬЭЮЯ",
    "greek": "ΓΔΘΛΞΠΣΦΨΩβδεζθλμξπσφψ",
    "digits": "23456789",
    "symbols": "#%&?@§¶!*+=÷±∞√∫≠≤≥≈←↑→↓↔□△◇■▲◆♠♣♥♦",
}

# Not drawn, by the script they would belong to: shapes of Latin capitals (or, among the small Greek
# letters, of Latin ones in general), upright or under the recipe's distortion. Handwritten digits
# leave out 0 and 1 too.
LEFT_OUT: dict[str, str] = {
    "cyrillic": "АВЕЁЙКМНОРСТУХ",
    "greek": "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγηικνορςτυχω",
    "digits": "01",
    "symbols": "×|○●$",
}

# Style words of the captions. Computer Modern draws Latin and digits, DejaVu everything.
FONTS: dict[str, str] = {
    "DejaVuSans.ttf": "sans serif",
    "DejaVuSans-Bold.ttf": "bold sans serif",
    "DejaVuSans-Oblique.ttf": "slanted sans serif",
    "DejaVuSans-BoldOblique.ttf": "bold slanted sans serif",
    "DejaVuSansMono.ttf": "typewriter",
    "DejaVuSansMono-Bold.ttf": "bold typewriter",
    "DejaVuSerif.ttf": "serif",
    "DejaVuSerif-Bold.ttf": "bold serif",
    "DejaVuSerif-Italic.ttf": "italic serif",
    "DejaVuSerif-BoldItalic.ttf": "bold italic serif",
    "STIXGeneral.ttf": "book",
    "STIXGeneralBol.ttf": "bold book",
    "STIXGeneralItalic.ttf": "italic book",
    "STIXGeneralBolIta.ttf": "bold italic book",
    "cmr10.ttf": "roman",
    "cmb10.ttf": "bold roman",
    "cmss10.ttf": "plain",
    "cmtt10.ttf": "teletype",
    "cmti10.ttf": "italic roman",
}


def character_name(character: str) -> str:
    """Return the Unicode name in lower case, such as 'latin capital letter a'."""
    return unicodedata.name(character).lower().replace("-", " ")


def font_path(font: str) -> Path:
    """Return where matplotlib keeps a font of `FONTS`."""
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / font


@functools.cache
def _charmap(font: str) -> frozenset[int]:
    return frozenset(FT2Font(str(font_path(font))).get_charmap())


@functools.cache
def fonts_for(character: str) -> tuple[str, ...]:
    """List the fonts of `FONTS` that hold a character, in the order of the table."""
    fonts = tuple(font for font in FONTS if ord(character) in _charmap(font))
    if not fonts:
        raise ValueError(f"no font of the benchmark holds {character!r}")
    return fonts
