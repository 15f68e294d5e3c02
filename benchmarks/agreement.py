"""Largest deviation of each shared score from pytorch-ood's, on random and clustered features.

    python -m benchmarks.agreement [--rows 4000] [--width 128] [--classes 20]

Needs the optional extra `agreement`. pytorch-ood's scores grow with strangeness, so their sign is
turned; other known differences of scale are undone as the column says. Deviations are given as
shares of the standard deviation of the score over the queries. pytorch-ood runs in float64 where
it allows it; where it casts to float32 or clips probabilities at 1e-7 (entropy, gen), the
deviation is its own.
"""

import argparse

import numpy as np
import torch
from pytorch_ood import detector as peer

from pipeline.detectors import fitting
from pipeline.detectors.gaussians import ClassGaussians
from pipeline.detectors.neighbours import nearest
from pipeline.detectors.subspace import ResidualSpace
from pipeline.geometry import unit_norm
from pipeline.scores.energy import energy_scores
from pipeline.scores.entropy import entropy_scores
from pipeline.scores.gen import gen_scores
from pipeline.scores.kl_matching import kl_matching_scores
from pipeline.scores.knn import knn_scores
from pipeline.scores.mahalanobis import mahalanobis_scores
from pipeline.scores.max_logit import max_logit_scores
from pipeline.scores.mcm import mcm_scores
from pipeline.scores.msp import msp_scores
from pipeline.scores.nnguide import nnguide_scores
from pipeline.scores.react import react_scores
from pipeline.scores.relative_mahalanobis import relative_mahalanobis_scores
from pipeline.scores.vim import vim_scores
from pipeline.training.heads import Probe

K = 10


def features_of(kind: str, rows: int, width: int, classes: int, rng):
    """A bank with labels, and queries of which half are unlike it."""
    spread = 0.0 if kind == "random" else 3.0
    centres = spread * rng.standard_normal((classes, width))
    mix = np.eye(width) + 0.3 * rng.standard_normal((width, width)) / width**0.5
    labels = np.arange(rows) % classes
    bank = centres[labels] + rng.standard_normal((rows, width)) @ mix
    near = centres[np.arange(rows // 8) % classes] + rng.standard_normal((rows // 8, width)) @ mix
    queries = np.concatenate([near, 2 * rng.standard_normal((rows // 8, width))])
    return bank.astype(np.float32), labels, queries.astype(np.float32)


def compare(kind: str, rows: int, width: int, classes: int) -> list[tuple[str, float, str]]:
    """Rows of the table: score, largest deviation, change made to the peer's value."""
    rng = np.random.default_rng(0)
    bank, labels, queries = features_of(kind, rows, width, classes, rng)
    weight = (rng.standard_normal((classes, width)) / width**0.5).astype(np.float32)
    bias = rng.standard_normal(classes).astype(np.float32)
    head = Probe(weight, bias, np.zeros(width, np.float32), np.ones(width, np.float32))
    logits, bank_logits = head.logits(queries), head.logits(bank)
    text = unit_norm(rng.standard_normal((classes, width)).astype(np.float32))

    torch.set_default_dtype(torch.float64)
    z, x, y = (torch.from_numpy(a) for a in (bank.astype(float), queries.astype(float), labels))
    wide, wide_bank = (torch.from_numpy(a.astype(float)) for a in (logits, bank_logits))
    w, b = torch.from_numpy(weight.astype(float)), torch.from_numpy(bias.astype(float))

    def linear(features):
        return features.double() @ w.T + b

    gaussians, _ = ClassGaussians.fit(bank, labels, shrinkage="none")
    energies, posteriors = fitting.head_statistics(bank, head)
    vim = fitting.fit_residuals(bank, head, dimension=width // 2)
    residuals = ResidualSpace(vim["origin"], vim["basis"]).norms(queries)
    units, unit_bank = unit_norm(queries), unit_norm(bank)
    guidance = nearest(units, unit_bank * energies["energies"][:, None], k=K).similarities
    threshold = float(fitting.clip_threshold(bank, quantile=0.9))
    react = peer.ReAct(lambda t: t, linear, threshold=threshold)
    distance = peer.KNN(None, k=K).fit_features(z, y).predict_features(x).numpy()

    def plain(values):
        return -values.numpy().astype(float)

    pairs = [
        ("msp", msp_scores(logits), plain(peer.MaxSoftmax.score(wide)), ""),
        ("max_logit", max_logit_scores(logits), plain(peer.MaxLogit.score(wide)), ""),
        ("energy", energy_scores(logits), plain(peer.EnergyBased.score(wide)), ""),
        ("entropy", entropy_scores(logits), plain(peer.Entropy.score(wide)), ""),
        ("gen", gen_scores(logits), plain(peer.GEN.score(wide)) * classes, "its mean to a sum"),
        (
            "kl_matching",
            kl_matching_scores(logits, posteriors["posteriors"]),
            plain(peer.KLMatching(None).fit_logits(wide_bank).predict_logits(wide)),
            "",
        ),
        (
            "mcm",
            mcm_scores(units, text),
            plain(peer.MCM(None, torch.from_numpy(text)).predict_features(x)),
            "",
        ),
        (
            "knn",
            knn_scores(nearest(units, unit_bank, k=K).similarities, k=K),
            1 - distance**2 / 2,
            "d to cosine",
        ),
        (
            "mahalanobis",
            mahalanobis_scores(queries, gaussians),
            plain(peer.Mahalanobis(None).fit_features(z, y).predict_features(x)) * 2 * rows,
            "times 2 n",
        ),
        (
            "relative_mahalanobis",
            relative_mahalanobis_scores(queries, gaussians),
            plain(peer.RMD(None).fit_features(z, y).predict_features(x)) * rows,
            "times n",
        ),
        (
            "vim",
            vim_scores(logits, residuals, scale=float(vim["scale"])),
            plain(peer.ViM(None, width // 2, w, b).fit_features(z, y).predict_features(x)),
            "",
        ),
        (
            "react",
            react_scores(queries, head, threshold=threshold),
            plain(react.predict_feature_maps(x)),
            "",
        ),
        (
            "nnguide",
            nnguide_scores(logits, guidance),
            plain(peer.NNGuide(None, linear, k=K).fit_features(z, y).predict_features(x)),
            "",
        ),
    ]
    return [
        (name, float(np.abs(ours - theirs).max() / theirs.std()), change)
        for name, ours, theirs, change in pairs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--classes", type=int, default=20)
    args = parser.parse_args()
    random = compare("random", args.rows, args.width, args.classes)
    clustered = compare("clustered", args.rows, args.width, args.classes)
    print(f"{'score':22}{'random':>10}{'clustered':>12}   change")
    for (name, one, change), (_, other, _) in zip(random, clustered, strict=True):
        print(f"{name:22}{one:10.1e}{other:12.1e}   {change}")


if __name__ == "__main__":
    main()
