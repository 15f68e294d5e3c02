"""Time of the metrics and their statistics, beside pytorch-ood's on the same arrays.

    python -m benchmarks.metrics [--scores 1000000] [--repeats 5]

pytorch-ood is the optional extra `agreement`; without it the comparison is left out and said so.
Times are the best of a few alternating runs in one process; the two shares of a set are equal.
"""

import argparse
import os
import platform
import tracemalloc
from collections.abc import Callable

import numpy as np

from benchmarks.clock import seconds_now
from pipeline.statistics.bootstrap import bootstrap
from pipeline.statistics.delong import delong_interval, delong_test
from pipeline.statistics.metrics import all_metrics


def best(repeats: int, *runs: Callable[[], object]) -> list[float]:
    """Shortest time of each run in seconds, run after run in turn."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for i, run in enumerate(runs):
            start = seconds_now()
            run()
            times[i].append(seconds_now() - start)
    return [min(values) for values in times]


def peak_mib(run: Callable[[], object]) -> float:
    """Largest memory that a run allocates above its inputs."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def draw(n: int, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Half ID, half OOD scores of two overlapping normals."""
    rng = np.random.default_rng(0)
    return tuple(rng.normal(mean, 1, n // 2).astype(dtype) for mean in (1, 0))  # type: ignore


def against_pytorch_ood(n: int, repeats: int) -> None:
    try:
        import torch
        from pytorch_ood.metrics import OODMetrics
    except ImportError:
        print("pytorch-ood: not installed (pip install pytorch-ood), comparison left out")
        return
    for dtype in (np.float32, np.float64):
        scores_id, scores_ood = draw(n, dtype)
        outlier_scores = torch.from_numpy(-np.concatenate([scores_id, scores_ood]))
        labels = torch.from_numpy(np.repeat([0, -1], [len(scores_id), len(scores_ood)]))
        ours, theirs = best(
            repeats,
            lambda a=scores_id, b=scores_ood: all_metrics(a, b),
            lambda s=outlier_scores, y=labels: OODMetrics().update(s, y).compute(),
        )
        metrics = all_metrics(scores_id, scores_ood)
        other = OODMetrics().update(outlier_scores, labels).compute()
        gap = max(
            abs(metrics["auroc"] - other["AUROC"]), abs(metrics["fpr95_ood"] - other["FPR95TPR"])
        )
        print(
            f"{np.dtype(dtype)}, {n:,} scores: all metrics {ours:.3f} s, pytorch-ood "
            f"{theirs:.3f} s, ratio {ours / theirs:.2f} (goal <= 1); "
            f"largest deviation of AUROC and FPR95 (OOD positive) {gap:.1e}"
        )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")

    against_pytorch_ood(args.scores, args.repeats)
    pair = draw(args.scores, np.float64)
    other = pair[0][::-1].copy(), pair[1][::-1].copy()
    interval, test = best(2, lambda: delong_interval(*pair), lambda: delong_test(pair, other))
    print(f"DeLong interval of {args.scores:,} scores {interval:.2f} s (goal <= 3), ", end="")
    print(f"paired test of two methods {test:.2f} s")

    small = draw(20_000, np.float64)
    (resampled,) = best(
        1,
        lambda: bootstrap({"a": small[0]}, {"a": small[1]}, id_name="id", ood_name="ood"),
    )
    print(f"1,000 resamples of all metrics, 10k + 10k scores: {resampled:.2f} s (goal <= 5)")

    print("scores      seconds   peak MiB above the inputs")
    for n in (1_000, 10_000, 100_000, 1_000_000):
        scores = draw(n, np.float64)
        (seconds,) = best(3, lambda s=scores: all_metrics(*s))
        print(f"{n:<10,}  {seconds:.5f}   {peak_mib(lambda s=scores: all_metrics(*s)):.1f}")


if __name__ == "__main__":
    main()
