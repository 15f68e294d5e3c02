"""The house style of figures, and the one way they reach the disk: the same bytes every time."""

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.files import written_whole

# Okabe and Ito's palette, told apart by colour-blind readers; yellow is left out on white paper.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
ID_COLOUR, OOD_COLOUR = PALETTE[0], PALETTE[1]
INK, FAINT = "#222222", "#707070"  # both can be read on white

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "figures of the report",
    "svg.fonttype": "path",
    "path.simplify_threshold": 0.2,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def line_style(position: int) -> dict[str, Any]:
    """Colour and dash of the line at a position: distinct for four rounds of the palette."""
    rounds = position // len(PALETTE)
    return {"color": PALETTE[position % len(PALETTE)], "linestyle": DASHES[rounds % len(DASHES)]}


def panels(
    count: int,
    *,
    columns: int,
    size: tuple[float, float],
    gap: tuple[float, float] = (0.55, 0.62),
    margins: tuple[float, float, float, float] = (0.62, 0.55, 0.15, 0.4),
) -> tuple[Figure, list[Axes]]:
    """Lay out equal panels row by row, by inches, so that no panel shrinks when others are added.

    Args:
        count: Number of panels.
        columns: Panels in a row at most.
        size: Width and height of one panel.
        gap: Space between columns and between rows.
        margins: Space left of, below, right of and above all panels.

    Returns:
        The figure and its panels, the first one at the upper left.
    """
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    left, bottom, right, top = margins
    width = left + columns * size[0] + (columns - 1) * gap[0] + right
    height = bottom + rows * size[1] + (rows - 1) * gap[1] + top
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axes = []
        for panel in range(count):
            row, column = divmod(panel, columns)
            x = left + column * (size[0] + gap[0])
            y = height - top - (row + 1) * size[1] - row * gap[1]
            box = (x / width, y / height, size[0] / width, size[1] / height)
            axes.append(figure.add_axes(box))
    return figure, axes


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or PNG by its suffix, without date, so that equal figures are equal."""
    metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
    with written_whole(path) as partial, mpl.rc_context(STYLE):
        figure.savefig(partial, format=path.suffix[1:], metadata=metadata, dpi=150)
