"""ID accuracy against OOD detection over the backbones: the picture of claim a."""

import matplotlib as mpl
import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.findings.study_scope import MEAN
from pipeline.report.figure_labels import name_points
from pipeline.report.figures import FAINT, INK, PALETTE, STYLE, panels
from pipeline.report.records import Records
from pipeline.statistics.regression import Line, fit_line

DIRECT_LABELS = 6  # with more backbones the points carry numbers and a key names them

MARKER = 5.0  # diameter of the points, in typographic points


class UpToPerfect(MaxNLocator):
    """Ticks of an axis in percent: the panel may end above 100, its ticks do not."""

    def tick_values(self, vmin: float, vmax: float) -> Float64[np.ndarray, " t"]:
        """Return the usual ticks up to 100."""
        ticks = np.asarray(super().tick_values(vmin, vmax), dtype=np.float64)
        return ticks[ticks <= 100]


def accuracy_figure(records: Records) -> Figure:
    """Draw AUROC against ID accuracy: the overall mean, then one OOD set a panel.

    The score and the classifier are those of claim a, `study.nearest` and `study.classifier`.
    Filled points are the CLIP backbones of the claim; the line and its R² are theirs alone. Bars
    are 95 % intervals.
    """
    nearest, classifier = records.scope.study.nearest, records.scope.study.classifier
    sets = records.scope.ood if len(records.scope.ood) > 1 else ()
    backbones = sorted(
        records.scope.backbones, key=lambda name: records.accuracy(name, classifier)[0] or 0.0
    )
    keyed = len(backbones) > DIRECT_LABELS
    figure, axes = panels(
        1 + len(sets),
        columns=3,
        size=(2.4, 2.1),
        gap=(0.5, 0.58),
        margins=(0.62, 0.72, 1.75 if keyed else 0.25, 0.45),
    )
    with mpl.rc_context(STYLE):
        overall = (
            records.scope.title(MEAN)
            if records.scope.counts_all
            else f"{MEAN} ({records.scope.over})"
        )
        for panel, name in zip(axes, (overall, *sets), strict=True):
            points = [
                (
                    backbone,
                    records.accuracy(backbone, classifier),
                    records.mean(backbone, MEAN, nearest, "auroc")
                    if panel is axes[0]
                    else records.metric(backbone, name, nearest, "auroc"),
                )
                for backbone in backbones
            ]
            _panel(panel, points, set(records.scope.study.clip), keyed=keyed)
            panel.set_title(name.replace("_", " "), loc="left")
        if set(backbones) - set(records.scope.study.clip):
            figure.text(
                0.99,
                0.06 / figure.get_figheight(),
                "hollow: not a CLIP model of the study (study.clip), not in the line",
                ha="right",
                fontsize=8,
            )
        if keyed:
            key = "\n".join(f"{i:>2}  {name}" for i, name in enumerate(backbones, 1))
            width = figure.get_figwidth()
            figure.text(
                1 - 1.6 / width, axes[0].get_position().y1, key, va="top", fontsize=8, color=INK
            )
        figure.supxlabel(
            f"{classifier} accuracy on the ID test set (%)",
            fontsize=9,
            y=0.26 / figure.get_figheight(),
        )
        figure.supylabel(f"{nearest} AUROC (%), higher = OOD told apart better", fontsize=9, x=0.01)
    return figure


def _panel(panel: Axes, points: list, in_line: set[str], *, keyed: bool) -> None:
    panel.grid(visible=True)
    shown = [point for point in points if point[1][0] is not None and point[2][0] is not None]
    fitted = [point for point in shown if point[0] in in_line]
    line = _line(_percent(fitted)[:, 0], _percent(fitted)[:, 1])
    for name, accuracy, auroc in shown:
        filled = name in in_line
        panel.errorbar(
            100 * accuracy[0],
            100 * auroc[0],
            xerr=_bars(accuracy),
            yerr=_bars(auroc),
            fmt="o" if filled else "s",
            markersize=MARKER,
            color=PALETTE[0] if filled else PALETTE[1],
            markerfacecolor=PALETTE[0] if filled else "white",
            elinewidth=0.9,
            ecolor="#9fb9cc" if filled else "#e8bfa3",
        )
    panel.margins(x=0.16 if keyed else 0.24, y=0.2)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(UpToPerfect(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    if line is None:
        label = "no line: points do not differ"
        if len(fitted) < 3:
            label = f"no line: {len(fitted)} of three backbones needed"
    else:
        ends = _ends(line, _percent(fitted)[:, 0])
        panel.plot(ends, line.intercept + line.slope * ends, color=FAINT, zorder=1.5)
        label = f"R² = {line.r2:.3f}, {len(fitted)} backbones"
    note = panel.text(
        0.98, 0.03, label, transform=panel.transAxes, ha="right", va="bottom", fontsize=8, color=INK
    )
    numbers = {name: str(number) for number, (name, *_) in enumerate(points, 1)}
    places = _percent(shown)
    name_points(
        panel,
        places,
        [numbers[name] if keyed else name for name, *_ in shown],
        upwards=_above(line, places),
        markersize=MARKER,
        note=note,
    )


def _above(line: Line | None, places: Float64[np.ndarray, "n 2"]) -> list[bool]:
    """Say which points lie above the line; their names go farther up."""
    if line is None:
        return [False] * len(places)
    return (places[:, 1] > line.intercept + line.slope * places[:, 0]).tolist()


def _percent(points: list) -> Float64[np.ndarray, "n 2"]:
    pairs = [(100 * accuracy[0], 100 * auroc[0]) for _, accuracy, auroc in points]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _ends(line: Line, x: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " 2"]:
    """Return where the line begins and ends: over the points, and nowhere above 100 %."""
    ends = np.array([x.min(), x.max()])
    if line.slope == 0:
        return ends
    full = (100 - line.intercept) / line.slope  # the line reaches 100 % here
    return np.minimum(ends, full) if line.slope > 0 else np.maximum(ends, full)


def _line(x: np.ndarray, y: np.ndarray) -> Line | None:
    """Fit the line of the claims table, or none where it is not defined."""
    try:
        return fit_line(x, y)
    except ValueError:  # fewer than three points, or all in one column or row
        return None


def _bars(cell: tuple[float | None, float | None, float | None]) -> list[list[float]] | None:
    value, low, high = cell
    if value is None or low is None or high is None:
        return None
    return [[100 * max(value - low, 0)], [100 * max(high - value, 0)]]
