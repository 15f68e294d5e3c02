"""Time and memory of the exact neighbour search against its bare matrix product and its peers.

    python -m benchmarks.knn [--bank 100000] [--queries 10000] [--width 768] [--k 50] [--mean 0]

With a mean of 10 and more, features lie so close together that our search compares around it.
Prints the best of some repetitions, taken in turns on the same arrays with the same number of
threads. With the optional extra `agreement`, pytorch-ood's KNN too, on a tenth of the queries.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.clock import seconds_now
from pipeline.detectors.faiss_search import gpu_count
from pipeline.detectors.neighbours import nearest
from pipeline.geometry import unit_norm


def memory_mib(field: str) -> float:
    """Resident memory now (VmRSS) or at its highest (VmHWM); Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/self/status has no {field}")


def product(queries, bank, k):
    """The products alone, in blocks whose results are thrown away."""
    for low in range(0, len(queries), 1024):
        block = queries[low : low + 1024]
        for left in range(0, len(bank), 8192):
            block @ bank[left : left + 8192].T


def flat_index(queries, bank, k):
    import faiss

    index = faiss.IndexFlatIP(bank.shape[1])
    index.add(bank)
    return index.search(queries, k)


def blocked_topk(queries, bank, k):
    """Matrix product and topk of a block of queries at a time, by torch."""
    import torch

    q, b = torch.from_numpy(queries), torch.from_numpy(bank)
    for low in range(0, len(q), 1024):
        (q[low : low + 1024] @ b.T).topk(k, dim=1)


def pytorch_ood(queries, bank, k):
    import torch
    from pytorch_ood.detector import KNN

    labels = torch.zeros(len(bank), dtype=torch.long)
    detector = KNN(None, k=k).fit_features(torch.from_numpy(bank), labels)
    return detector.predict_features(torch.from_numpy(queries))


def seconds(run, *arguments) -> float:
    start = seconds_now()
    run(*arguments)
    return seconds_now() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--mean", type=float, default=0.0, help="of every dimension; spread 1")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()

    rng = np.random.default_rng(0)

    def features(n):
        rows = rng.standard_normal((n, args.width), dtype=np.float32)
        return unit_norm(np.add(rows, args.mean, out=rows, dtype=np.float32))

    bank, queries = features(args.bank), features(args.queries)
    nearest(queries[:64], bank[:8192], k=args.k)  # loads faiss and starts the threads
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before = memory_mib("VmRSS")
    nearest(queries, bank, k=args.k)
    above = memory_mib("VmHWM") - before
    print(f"memory above the inputs: {above:.0f} MiB ({gpu_count()} GPUs)")

    def ours(queries, bank, k):
        nearest(queries, bank, k=k)

    runs = {"bare product": product, "ours": ours, "faiss IndexFlatIP": flat_index}
    runs["torch matmul + topk"] = blocked_topk
    best = dict.fromkeys(runs, np.inf)
    for _ in range(args.repeat):
        for name, run in runs.items():
            best[name] = min(best[name], seconds(run, queries, bank, args.k))
    try:
        tenth = queries[: max(1, args.queries // 10)]
        best["pytorch-ood"] = seconds(pytorch_ood, tenth, bank, args.k) * args.queries / len(tenth)
    except ImportError:
        print("pytorch-ood is not installed (extra `agreement`)")
    for name, value in best.items():
        print(f"{name:22}{value:8.2f} s   ours / this: {best['ours'] / value:.2f}")


if __name__ == "__main__":
    main()
