"""ROC curves and score histograms of the headline backbone, one OOD set a panel."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.report.figures import FAINT, ID_COLOUR, OOD_COLOUR, STYLE, line_style, panels
from pipeline.report.records import Records


def roc_figure(records: Records) -> Figure:
    """Draw the ROC curves of the headline methods, ID being the positive class."""
    sets = records.scope.sets
    figure, axes = panels(
        len(sets), columns=4, size=(2.1, 2.1), gap=(0.3, 0.52), margins=(0.62, 0.62, 1.6, 0.4)
    )
    with mpl.rc_context(STYLE):
        for panel, dataset in zip(axes, sets, strict=True):
            roc = records.evaluations[records.scope.backbone][dataset].get("roc", {})
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
            panel.axhline(0.95, color="#cccccc", linewidth=0.8, linestyle=":")
            panel.set_title(dataset.replace("_", " "), loc="left")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="upper right", bbox_to_anchor=(1, axes[0].get_position().y1)
        )
        figure.supxlabel("share of OOD images accepted (dotted: 95 % of ID accepted)", fontsize=9)
        figure.supylabel("share of ID images accepted", fontsize=9, x=0.01)
    return figure


def histogram_figure(records: Records) -> Figure:
    """Draw how ID and OOD scores overlap: a row a set, a column a headline method."""
    record = records.evaluations[records.scope.backbone]
    methods = [
        method
        for method in records.headline_methods
        if any(method in record[dataset].get("histogram", {}) for dataset in records.scope.sets)
    ]
    sets = records.scope.sets
    figure, axes = panels(
        max(1, len(sets) * len(methods)),
        columns=max(1, len(methods)),
        size=(1.75, 0.82),
        gap=(0.16, 0.3),
        margins=(1.3, 0.62, 0.15, 0.75),
    )
    with mpl.rc_context(STYLE):
        cells = [(dataset, method) for dataset in sets for method in methods]
        for panel, (dataset, method) in zip(axes, cells, strict=True):
            _histogram(panel, record[dataset]["histogram"].get(method))
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


def _histogram(panel: Axes, histogram: dict[str, Any] | None) -> None:
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.tick_params(labelsize=6.5, length=2, pad=1.5)
    panel.locator_params(axis="x", nbins=4)
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
