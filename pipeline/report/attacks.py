"""What crafted images do to every score and every backbone: tables and the curve over steps."""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from pipeline.percent import NOT_APPLICABLE, percent, points
from pipeline.report.figures import STYLE, line_style, panels
from pipeline.report.records import Records
from pipeline.report.tables import Table


def attack_table(records: Records, dataset: str) -> Table:
    """Every score of the headline backbone on one crafted set and on the images it came from."""
    record = records.adversarial[records.scope.backbone][dataset]
    rows = [_row(name, record["methods"].get(name)) for name in records.methods]
    rows += [
        _row(f"{name}, bank without targets", cells)
        for name, cells in sorted(record.get("without_targets", {}).items())
        if name == records.scope.study.nearest
    ]
    return Table(
        title=f"{dataset}: {record['ood']} crafted on {record['surrogate']}, scored by "
        f"{records.scope.backbone}",
        header=(
            "method",
            "AUROC clean",
            "AUROC crafted",
            "change",
            "fpr95 clean",
            "fpr95 crafted",
            "change of fpr95",
        ),
        rows=tuple(rows),
        note=(
            f"{record['pairs']} images, each compared with itself before the attack "
            f"({record['steps']} steps, weight of smoothness {record['smoothness']:g}); percent, "
            "changes in points with their paired interval. A fall of AUROC or a rise of fpr95 is "
            f"damage. {_images(record['images'], record['surrogate'])}"
        ),
    )


def transfer_table(records: Records) -> Table:
    """How far `study.nearest` moves on every backbone, by crafted set; each has one surrogate."""
    nearest = records.scope.study.nearest
    rows = []
    for dataset in records.scope.crafted:
        surrogate = records.adversarial[records.scope.backbone][dataset]["surrogate"]
        cells = []
        for backbone in records.scope.backbones:
            record = records.adversarial[backbone][dataset]
            auroc = record["methods"].get(nearest, {}).get("auroc")
            cells.append(
                NOT_APPLICABLE
                if auroc is None
                else f"{percent(auroc['clean'])} → {percent(auroc['crafted'])}"
                + ("* " if backbone == surrogate else " ")
                + f"({points(auroc['low'])} to {points(auroc['high'])})"
            )
        rows.append((f"{dataset}, on {surrogate}", *cells))
    return Table(
        title="Transfer between backbones",
        header=("crafted set, on surrogate", *records.scope.backbones),
        rows=tuple(rows),
        note=(
            f"AUROC (%) of {nearest}, clean → crafted, and in brackets the "
            f"{100 * records.setting('level'):g} % interval of the change in points, paired over "
            "images. * on the surrogate itself; elsewhere the attack is carried over."
        ),
    )


def curves_figure(records: Records) -> Figure | None:
    """Draw 1-NN AUROC on the surrogate against steps and against the size of the perturbation.

    Returns:
        The figure, or nothing where no surrogate is among the backbones.
    """
    curves: dict[str, dict[str, Any]] = {}
    for dataset in records.scope.crafted:
        for backbone in records.scope.backbones:
            record = records.adversarial[backbone][dataset]
            if "curve" in record:
                curves[f"{dataset}, on {backbone}"] = record["curve"]
    if not curves:
        return None
    figure, axes = panels(
        2, columns=2, size=(3.2, 2.5), gap=(0.35, 0.4), margins=(0.65, 0.6, 1.8, 0.3)
    )
    labels = {
        "steps": "steps of the attack",
        "l2": "mean L2 norm of the change (pixels from 0 to 1)",
    }
    with mpl.rc_context(STYLE):
        for panel, (quantity, label) in zip(axes, labels.items(), strict=True):
            panel.grid(visible=True)
            for position, (name, curve) in enumerate(curves.items()):
                panel.plot(
                    curve[quantity],
                    [100 * value for value in curve["auroc"]],
                    marker="o",
                    markersize=3,
                    label=name,
                    **line_style(position),
                )
            panel.set_xlabel(label)
        axes[0].set_ylabel("1-NN AUROC (%), lower = the attack works")
        axes[1].tick_params(labelleft=False)
        axes[1].set_ylim(axes[0].get_ylim())
        axes[1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return figure


def _row(name: str, cells: dict[str, Any] | None) -> tuple[str, ...]:
    if cells is None:
        return (name, *[NOT_APPLICABLE] * 6)
    return (name, *_cells(cells["auroc"]), *_cells(cells["fpr95"]))


def _cells(cell: dict[str, float]) -> tuple[str, str, str]:
    change = points(cell["change"], cell["low"], cell["high"])
    return percent(cell["clean"]), percent(cell["crafted"]), change


def _images(summary: dict[str, float], surrogate: str) -> str:
    words = {
        "cosine": f"cosine to the target's features, as {surrogate} sees both, {{:.3f}}",
        "psnr": "PSNR {:.1f} dB",
        "ssim": "SSIM {:.4f}",
        "linf": "largest change of a pixel {:.3f} of 1",
    }
    known = [word.format(summary[key]) for key, word in words.items() if key in summary]
    return f"Means over the files as written: {', '.join(known)}." if known else ""
