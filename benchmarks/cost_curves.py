"""Time and memory of kNN, Mahalanobis, PLP and the metrics while n grows by ten, three times.

    python -m benchmarks.cost_curves [--smallest 100] [--out benchmarks/cost_curves]

Every point is a fresh process, so that a memory peak belongs to one n. It prints seconds (the best
of some repetitions where one is short) and the peak of resident memory above what the process held
with its inputs in memory, and draws both in one figure, OUT.svg and OUT.png. n counts bank rows for
kNN (1,000 queries, k = 50), training rows for Mahalanobis (fit, then 1,000 queries) and PLP
(5 epochs, batch 256), and scores for the metrics (half ID, half OOD, all five metrics).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.clock import seconds_now
from benchmarks.knn import memory_mib

WIDTH, CLASSES, QUERIES, K = 768, 20, 1000, 50
LONG = 0.3  # seconds; shorter runs are repeated


def knn(n: int, rng: np.random.Generator) -> Callable[[], object]:
    from pipeline.detectors.neighbours import nearest
    from pipeline.geometry import unit_norm

    bank, queries = (
        unit_norm(rng.standard_normal((rows, WIDTH), dtype=np.float32)) for rows in (n, QUERIES)
    )
    return lambda: nearest(queries, bank, k=K)


def mahalanobis(n: int, rng: np.random.Generator) -> Callable[[], object]:
    from pipeline.detectors.gaussians import ClassGaussians

    labels = np.arange(n) % CLASSES
    features, queries = (
        rng.standard_normal((rows, WIDTH), dtype=np.float32) for rows in (n, QUERIES)
    )

    def run():
        gaussians, _ = ClassGaussians.fit(features, labels, shrinkage="ledoit_wolf")
        return gaussians.distances(queries)

    return run


def plp(n: int, rng: np.random.Generator) -> Callable[[], object]:
    from pipeline.training.probe import train_probe
    from pipeline.training.probe_recipe import ProbeRecipe

    features = rng.standard_normal((n, WIDTH), dtype=np.float32)
    pseudo_labels = rng.integers(0, CLASSES, n)
    recipe = ProbeRecipe(epochs=5, batch_size=256)
    return lambda: train_probe(features, pseudo_labels, classes=CLASSES, recipe=recipe, seed=42)


def metrics(n: int, rng: np.random.Generator) -> Callable[[], object]:
    from pipeline.statistics.metrics import all_metrics

    scores_id, scores_ood = (rng.normal(mean, 1, n // 2) for mean in (1, 0))
    return lambda: all_metrics(scores_id, scores_ood)


WORK = {"knn": knn, "mahalanobis": mahalanobis, "plp": plp, "metrics": metrics}
TITLES = {
    "knn": "kNN search, 1,000 queries",
    "mahalanobis": "Mahalanobis, fit + 1,000 queries",
    "plp": "PLP head, 5 epochs",
    "metrics": "five metrics",
}


def measure(name: str, n: int) -> dict[str, float]:
    """Seconds and peak MiB above the inputs, of one n in this process."""
    WORK[name](200, np.random.default_rng(1))()  # imports, thread pools, the library's own buffers
    run = WORK[name](n, np.random.default_rng(0))
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    held = memory_mib("VmRSS")
    seconds = _timed(run)
    peak = memory_mib("VmHWM") - held
    if seconds < LONG:
        seconds = min(seconds, *(_timed(run) for _ in range(5)))
    return {"seconds": seconds, "mib": peak}


def _timed(run: Callable[[], object]) -> float:
    started = seconds_now()
    run()
    return seconds_now() - started


def draw(points: dict[str, list[tuple[int, float, float]]], out: Path) -> None:
    """One panel for time and one for memory, a line for each piece of work."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams |= {"svg.hashsalt": "cost curves", "svg.fonttype": "none"}
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.9), layout="constrained")
    markers = dict(zip(WORK, "osD^", strict=True))
    for name, values in points.items():
        n, seconds, mib = zip(*values, strict=True)
        style = {"marker": markers[name], "markersize": 5, "label": TITLES[name]}
        panels[0].plot(n, seconds, **style)
        panels[1].plot(n, [max(value, 0.1) for value in mib], **style)
    sizes = [n for n, *_ in next(iter(points.values()))]
    highest = max(seconds for values in points.values() for _, seconds, _ in values)
    guide = highest * 4 * np.array(sizes) / sizes[-1]
    panels[0].plot(sizes, guide, color="0.6", linestyle=":", label="slope of n")
    for panel, what in zip(
        panels, ("seconds", "peak MiB above the inputs (0.1: none)"), strict=True
    ):
        panel.set(xscale="log", yscale="log", xlabel=f"n (rows of width {WIDTH}, or scores)")
        panel.set(ylabel=what, xticks=sizes, xticklabels=[f"{n:,}" for n in sizes])
        panel.grid(which="major", color="0.9")
        panel.spines[["top", "right"]].set_visible(b=False)
    panels[0].set_title("time", loc="left", fontsize=11)
    panels[1].set_title("memory", loc="left", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(out.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(out.with_suffix(".png"), dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smallest", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/cost_curves"))
    parser.add_argument("--one", nargs=2, metavar=("WORK", "N"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], int(args.one[1]))))
        return
    points: dict[str, list[tuple[int, float, float]]] = {name: [] for name in WORK}
    print("| work | n | seconds | peak MiB above the inputs |\n| --- | --: | --: | --: |")
    for name, values in points.items():
        for n in (args.smallest * 10**power for power in range(4)):
            command = [sys.executable, "-m", "benchmarks.cost_curves", "--one", name, str(n)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            cost = json.loads(done.stdout)
            values.append((n, cost["seconds"], cost["mib"]))
            print(f"| {TITLES[name]} | {n:,} | {cost['seconds']:.3g} | {cost['mib']:.1f} |")
    draw(points, args.out)


if __name__ == "__main__":
    main()
