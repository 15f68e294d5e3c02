"""Time and exactness of the Mahalanobis score against a bare Gram product and pytorch-ood.

    python -m benchmarks.mahalanobis [--rows 100000] [--queries 10000] [--classes 1000]

The Gram product is float64, X' X of the same rows. pytorch-ood (optional extra `agreement`) scores
a hundredth of the queries; its time is scaled up. The deviation is from the definition, one query
and class at a time, on twenty queries.
"""

import argparse

import numpy as np

from benchmarks.clock import seconds_now
from pipeline.detectors.gaussians import ClassGaussians


def timed(run, *arguments):
    start = seconds_now()
    result = run(*arguments)
    return seconds_now() - start, result


def definition(features, labels, queries):
    """Squared distances with a plain inverse, in float64."""
    exact = features.astype(np.float64)
    classes = np.unique(labels)
    means = np.stack([exact[labels == c].mean(axis=0) for c in classes])
    centred = exact - means[labels]
    precision = np.linalg.inv(centred.T @ centred / len(exact))
    return np.array([min((q - m) @ precision @ (q - m) for m in means) for q in queries])


def pytorch_ood(features, labels, queries):
    import torch
    from pytorch_ood.detector import Mahalanobis

    fitting, fitted = timed(
        Mahalanobis(None).fit_features, torch.from_numpy(features), torch.from_numpy(labels)
    )
    return fitting, timed(fitted.predict_features, torch.from_numpy(queries))[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    labels = np.arange(args.rows) % args.classes
    centres = rng.standard_normal((args.classes, args.width), dtype=np.float32)
    features = centres[labels] + rng.standard_normal((args.rows, args.width), dtype=np.float32)
    queries = 1.2 * rng.standard_normal((args.queries, args.width), dtype=np.float32)
    queries = queries.astype(np.float32)

    exact = features.astype(np.float64)
    gram = fit = score = np.inf
    for _ in range(args.repeat):
        gram = min(gram, timed(lambda: exact.T @ exact)[0])
        seconds, (gaussians, _) = timed(
            lambda: ClassGaussians.fit(features, labels, shrinkage="none")
        )
        fit = min(fit, seconds)
        score = min(score, timed(gaussians.distances, queries)[0])
    print(f"Gram product {gram:8.2f} s")
    print(f"fit          {fit:8.2f} s   {fit / gram:.2f} Gram products")
    print(f"score        {score:8.2f} s   {args.queries / score:,.0f} images/s")
    some = queries[:20]
    truth = definition(features, labels, some.astype(np.float64))
    deviation = np.abs(gaussians.distances(some)[0] / truth - 1).max()
    print(f"largest relative deviation from the definition: {deviation:.1e}")
    del exact
    try:
        part = queries[: max(1, args.queries // 100)]
        peer_fit, peer_score = pytorch_ood(features, labels, part)
        peer_score *= args.queries / len(part)
        print(f"pytorch-ood  fit {peer_fit:.2f} s, score {peer_score:.1f} s (scaled up)")
        print(f"scoring is {peer_score / score:.0f} times faster")
    except ImportError:
        print("pytorch-ood is not installed (extra `agreement`)")


if __name__ == "__main__":
    main()
