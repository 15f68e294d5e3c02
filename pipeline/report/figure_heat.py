"""A table of AUROCs in colours, each cell with its number, beside the scale of the colours."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure

from pipeline.percent import NOT_APPLICABLE, percent
from pipeline.report.figures import FAINT, STYLE, panels

COLOURS = "cividis"  # even in lightness for every kind of colour vision
SHOWN_FROM, SHOWN_TO = 50.0, 100.0  # AUROC in percent; below chance takes the darkest colour
CELL = (0.5, 0.24)  # inches
BAR = (0.12, 1.6)  # inches, at most as high as the cells


def heat_map(
    values: list[list[float | None]],
    rows: tuple[str, ...],
    columns: list[str],
    title: str,
    *,
    split: int = 0,
) -> Figure:
    """Draw shares as percent in coloured cells; n/a stays white; a gap follows `split` columns."""
    grid = np.array([[np.nan if v is None else 100 * v for v in row] for row in values])
    longest = max(len(name) for name in columns)
    label = f"{title}; higher = better"
    beside = max(0.85, 0.075 * len(label) - CELL[0] * len(columns))  # inches; label may overhang
    figure, (panel,) = panels(
        1,
        columns=1,
        size=(CELL[0] * len(columns), CELL[1] * len(rows)),
        margins=(names_width(rows), 0.3, beside, 0.3 + 0.055 * longest),
    )
    with mpl.rc_context(STYLE):
        colours, norm = mpl.colormaps[COLOURS], Normalize(SHOWN_FROM, SHOWN_TO)
        panel.pcolormesh(
            np.arange(len(columns) + 1) - 0.5,
            np.arange(len(rows) + 1) - 0.5,
            grid,
            cmap=colours,
            norm=norm,
            edgecolors="white",
            linewidth=0.8,
        )
        for (row, column), value in np.ndenumerate(grid):
            missing = np.isnan(value)
            panel.text(
                column,
                row,
                NOT_APPLICABLE if missing else percent(value / 100),
                ha="center",
                va="center",
                fontsize=7,
                color=FAINT if missing else ink_on(colours(norm(value))),
            )
        if split:
            panel.axvline(split - 0.5, color="white", linewidth=4)
        panel.set_yticks(range(len(rows)), rows)
        panel.set_xticks(
            range(len(columns)), columns, rotation=50, ha="left", rotation_mode="anchor"
        )
        panel.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        for spine in panel.spines.values():
            spine.set_visible(False)
        panel.set_xlabel(label, loc="left")
        _scale(figure, ScalarMappable(norm, colours))
    return figure


def names_width(names: Sequence[str]) -> float:
    """Inches that the longest row name needs beside its panel."""
    return 0.3 + 0.075 * max((len(name) for name in names), default=0)


def ink_on(colour: Sequence[float] | str) -> str:
    """Black or white, whichever stands out more (WCAG 2 contrast, always above 4.5)."""
    return max(("black", "white"), key=lambda ink: contrast(ink, colour))


def contrast(one: Sequence[float] | str, other: Sequence[float] | str) -> float:
    """Contrast ratio of two colours as WCAG 2 defines it, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Sequence[float] | str) -> float:
    red, green, blue = to_rgb(colour) if isinstance(colour, str) else tuple(colour)[:3]
    channels = np.array([red, green, blue])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _scale(figure: Figure, colours: ScalarMappable) -> None:
    """Put the colour bar to the right of the cells, at their upper end."""
    box, (width, height) = figure.axes[0].get_position(), figure.get_size_inches()
    size = BAR[0] / width, min(BAR[1] / height, box.height)
    axes = figure.add_axes((box.x1 + 0.15 / width, box.y1 - size[1], *size))
    bar = figure.colorbar(colours, cax=axes)
    bar.outline.set_visible(False)
    ticks = np.linspace(SHOWN_FROM, SHOWN_TO, 6).tolist()
    bar.set_ticks(ticks, labels=[f"≤ {SHOWN_FROM:g}", *(f"{tick:g}" for tick in ticks[1:])])
    axes.tick_params(length=0, labelsize=7)
