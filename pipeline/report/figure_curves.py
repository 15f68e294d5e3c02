"""ROC curves and score histograms of the headline backbone, one OOD set a panel."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.report.figure_ticks import narrow_ticks
from pipeline.report.figures import FAINT, ID_COLOUR, OOD_COLOUR, STYLE, line_style, panels
from pipeline.report.records import Records

ROC_COLUMNS, LEGEND_COLUMNS = 4, 6
HISTOGRAMS_WIDE, HISTOGRAM_GAP = 8.1, 0.14  # inches; as wide as a page shows at full size


def roc_figure(records: Records) -> Figure:
    """Draw the ROC curves of the headline methods, ID being the positive class."""
    sets, tpr = records.scope.sets, records.setting("tpr")
    legend_rows = -(-len(records.headline_methods) // LEGEND_COLUMNS)
    figure, axes = panels(
        len(sets),
        columns=ROC_COLUMNS,
        size=(1.98, 1.98),
        gap=(0.2, 0.52),
        margins=(0.62, 0.62, 0.1, 0.4 + 0.2 * legend_rows),
    )
    with mpl.rc_context(STYLE):
        for number, (panel, dataset) in enumerate(zip(axes, sets, strict=True)):
            roc = records.evaluations[records.scope.backbone][dataset]["roc"]
            panel.plot([0, 1], [0, 1], color="#cccccc", linewidth=0.8)
            for position, method in enumerate(records.headline_methods):
                if method in roc:
                    curve = roc[method]
                    panel.plot(
                        curve["fpr"], curve["tpr"], label=method, linewidth=1.4,
                        **line_style(position),
                    )  # fmt: skip
            panel.set(
                xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1]
            )
            panel.axhline(tpr, color="#cccccc", linewidth=0.8, linestyle=":")
            panel.tick_params(labelleft=number % ROC_COLUMNS == 0)  # all panels share the axis
            panel.set_title(dataset.replace("_", " "), loc="left")
        handles, labels = axes[0].get_legend_handles_labels()
        left = axes[0].get_position().x0
        figure.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(left, 1), ncols=LEGEND_COLUMNS
        )
        dotted = f"dotted: {100 * tpr:g} % of ID accepted"
        figure.supxlabel(f"share of OOD images accepted, lower = better ({dotted})", fontsize=9)
        figure.supylabel("share of ID images accepted, higher = better", fontsize=9, x=0.01)
    return figure


def histogram_figure(records: Records) -> Figure:
    """Draw how ID and OOD scores overlap: a row a set, a column a headline method."""
    record = records.evaluations[records.scope.backbone]
    methods = [
        method
        for method in records.headline_methods
        if any(method in record[dataset]["histogram"] for dataset in records.scope.sets)
    ]
    sets = records.scope.sets
    count = max(1, len(methods))
    width = min(1.75, max(0.9, (HISTOGRAMS_WIDE - HISTOGRAM_GAP * (count - 1)) / count))
    figure, axes = panels(
        max(1, len(sets) * len(methods)),
        columns=count,
        size=(width, 0.82),
        gap=(HISTOGRAM_GAP, 0.32),
        margins=(1.0, 0.62, 0.12, 0.75),
    )
    with mpl.rc_context(STYLE):
        cells = [(dataset, method) for dataset in sets for method in methods]
        for panel, (dataset, method) in zip(axes, cells, strict=True):
            _histogram(panel, record[dataset]["histogram"].get(method), width=width)
            if dataset == sets[0]:
                panel.set_title(method)
            if method == methods[0]:
                panel.set_ylabel(
                    dataset.replace("_", "\n"), rotation=0, ha="right", va="center", labelpad=8
                )
        if cells:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="upper right", ncols=2, bbox_to_anchor=(0.995, 1.0))
        figure.supxlabel(
            "score, higher = more in-distribution (each panel on its own scale)", fontsize=9
        )
    return figure


def _histogram(panel: Axes, histogram: dict[str, Any] | None, *, width: float) -> None:
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.tick_params(length=2, pad=1.5)
    if histogram is None:
        panel.set_xticks([])
        panel.text(0.5, 0.4, "not applicable", transform=panel.transAxes, ha="center", color=FAINT)
        return
    edges = np.asarray(histogram["edges"], dtype=np.float64)
    for name, colour in (("id", ID_COLOUR), ("ood", OOD_COLOUR)):
        counts = np.asarray(histogram[name], dtype=np.float64)
        share = counts / max(counts.sum(), 1.0)
        panel.stairs(share, edges, fill=True, color=colour, alpha=0.3)
        panel.stairs(share, edges, color=colour, linewidth=0.9, label=name.upper())
    narrow_ticks(
        panel,
        (float(edges[0]), float(edges[-1])),
        width=72 * width,
        overhang=72 * HISTOGRAM_GAP / 2 - 2,
        fontsize=7.0,
    )
