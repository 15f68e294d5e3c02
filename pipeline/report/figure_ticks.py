"""Tick labels of narrow panels: as many as stand beside each other, and none over the edge."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.report.figure_labels import text_size

APART = 5.0  # typographic points between two labels


def narrow_ticks(
    panel: Axes, ends: tuple[float, float], *, width: float, overhang: float, fontsize: float
) -> None:
    """Set limits and ticks of the x axis so that all labels can be read.

    Args:
        panel: Axes that are drawn; the limits are set too.
        ends: First and last value of the axis.
        width: Of the panel in typographic points.
        overhang: How far a label may stick out on either side, in typographic points.
        fontsize: Of the labels.
    """
    best: list[str] = []
    places: list[float] = []
    for intervals in (3, 2, 4, 5, 6, 1):
        ticks = MaxNLocator(nbins=intervals, steps=[1, 2, 2.5, 5, 10]).tick_values(*ends)
        ticks = [tick for tick in map(float, ticks) if ends[0] <= tick <= ends[1]]
        labels = _labels(ticks)
        halves = [text_size(label, fontsize)[0] / 2 for label in labels]
        at = [(tick - ends[0]) / (ends[1] - ends[0]) * width for tick in ticks]
        fitting = [
            i
            for i, (middle, half) in enumerate(zip(at, halves, strict=True))
            if min(middle, width - middle) + overhang >= half
        ]
        for first, step in ((0, 1), (0, 2), (1, 2)):  # all, or every second one
            kept = fitting[first::step]
            touching = any(
                at[right] - halves[right] - at[left] - halves[left] < APART
                for left, right in pairwise(kept)
            )
            if len(kept) > len(best) and not touching:
                best, places = [labels[i] for i in kept], [ticks[i] for i in kept]
    panel.set_xlim(*ends)
    panel.set_xticks(places, best, fontsize=fontsize)


def _labels(ticks: Sequence[float]) -> list[str]:
    """All with the decimals of the one that needs most, and with minus signs, not hyphens."""
    rounded = [float(f"{tick:.6g}") + 0.0 for tick in ticks]
    decimals = max((len(f"{tick:g}".partition(".")[2]) for tick in rounded), default=0)
    return [f"{tick:.{decimals}f}".replace("-", "−") for tick in rounded]
