"""All methods at a glance: mean AUROC with intervals, and heat maps over sets and backbones."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from pipeline.findings.study_scope import MEAN
from pipeline.report.figure_heat import heat_map, names_width
from pipeline.report.figures import FAINT, PALETTE, STYLE, panels
from pipeline.report.records import Records, title


def mean_figure(records: Records) -> Figure:
    """Draw every method's mean AUROC: the headline backbone with 95 % intervals, others hollow."""
    headline = records.scope.backbone
    others = [name for name in records.scope.backbones if name != headline]
    if len(others) > len(PALETTE) - 1:
        others = []  # the heat map over backbones shows them
    cells = {m: records.mean(headline, MEAN, m, "auroc") for m in records.methods}
    methods = sorted(
        (m for m, cell in cells.items() if cell[0] is not None), key=lambda m: cells[m][0] or 0.0
    )
    figure, (panel,) = panels(
        1,
        columns=1,
        size=(5.2, 0.5 + 0.22 * len(methods)),
        margins=(names_width(methods), 0.55, 1.5, 0.4),
    )
    with mpl.rc_context(STYLE):
        panel.grid(visible=True, axis="x")
        for position, name in enumerate(others, 1):
            values = [records.mean(name, MEAN, m, "auroc")[0] for m in methods]
            panel.plot(
                [100 * v for v in values if v is not None],
                [row for row, v in enumerate(values) if v is not None],
                "s^Dv<>P"[position - 1],
                color=PALETTE[position],
                markerfacecolor="white",
                markersize=4.5,
                label=name,
            )
        for row, method in enumerate(methods):
            value, low, high = (100 * v if v is not None else None for v in cells[method])
            if low is not None and high is not None:
                panel.plot([low, high], [row, row], color=PALETTE[0], linewidth=1.6)
            panel.plot(
                [np.nan if value is None else value],
                [row],
                "o",
                color=PALETTE[0],
                markersize=5.5,
                label=headline if row == 0 else None,
            )
        if panel.get_xlim()[0] < 55:
            panel.axvline(50, color=FAINT, linewidth=0.8, linestyle=":")
        panel.set_yticks(range(len(methods)), methods)
        panel.set_ylim(-0.7, len(methods) - 0.3)
        panel.set_xlabel(f"{records.scope.averaged} (%), higher = better; 50 = chance")
        handles, labels = panel.get_legend_handles_labels()
        order = sorted(range(len(labels)), key=lambda i: labels[i] != headline)
        panel.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
        each = "every OOD set" if records.scope.counts_all else "each of these sets"
        several = len(records.scope.ood) > 1
        panel.set_title(
            f"every method, {each} counted once" if several else "every method", loc="left"
        )
    return figure


def sets_figure(records: Records) -> Figure:
    """Heat map of AUROC on the headline backbone: a row a method, a column a set or mean."""
    backbone = records.scope.backbone
    means = records.mean_names if len(records.scope.ood) > 1 else ()
    methods = records.applying(backbone)
    values = [
        [records.mean(backbone, name, method, "auroc")[0] for name in means]
        + [records.metric(backbone, dataset, method, "auroc")[0] for dataset in records.scope.sets]
        for method in methods
    ]
    columns = [*map(title, means), *(name.replace("_", " ") for name in records.scope.sets)]
    return heat_map(values, methods, columns, f"AUROC (%), {backbone}", split=len(means))


def backbones_figure(records: Records) -> Figure | None:
    """Heat map of the overall mean of AUROC: a row a method, a column a backbone.

    Returns:
        The figure, or nothing for one backbone, whose column `sets_figure` shows.
    """
    if len(records.scope.backbones) == 1:
        return None
    methods = records.applying(*records.scope.backbones)
    values = [
        [records.mean(name, MEAN, method, "auroc")[0] for name in records.scope.backbones]
        for method in methods
    ]
    label = f"{records.scope.averaged} (%)"
    return heat_map(values, methods, list(records.scope.backbones), label)
