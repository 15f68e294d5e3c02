"""What an attack does to every detector: clean against crafted images, on the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Float32, Int64

from pipeline.detectors.neighbours import nearest
from pipeline.geometry import unit_norm
from pipeline.scores.knn import knn_scores
from pipeline.statistics.bootstrap import bootstrap
from pipeline.statistics.metrics import all_metrics, auroc
from pipeline.statistics.unmoved_metrics import difference_interval

METRICS = ("auroc", "fpr95")

Scores = Mapping[str, Float[np.ndarray, " _"]]


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn; the names fix the draw, so that clean and crafted are paired."""

    id_name: str
    ood_name: str
    resamples: int = 1000
    seed: int = 0
    tpr: float = 0.95
    level: float = 0.95


def compare(
    scores_id: Scores, clean: Scores, crafted: Scores, resampling: Resampling
) -> dict[str, dict[str, Any]]:
    """For each method AUROC and FPR95 of clean and of crafted images, and how far they fall.

    Args:
        scores_id: ID test scores by method.
        clean: Scores of the source images, in the order of the crafted ones.
        crafted: Scores of the crafted images.
        resampling: The intervals' draws.

    Returns:
        By method and metric: ``clean``, ``crafted``, ``change`` (crafted minus clean, the bootstrap
        interval of the paired difference as ``low`` and ``high``; where no resample moves it, a
        bound that counts the images). A fall of AUROC is negative, a rise of FPR95 positive: both
        are damage.

    Raises:
        ValueError: If clean and crafted images differ in number.
    """
    methods = sorted(set(scores_id) & set(clean) & set(crafted))
    for method in methods:
        if len(clean[method]) != len(crafted[method]):
            raise ValueError(
                f"clean and crafted images are pairs, but '{method}' scores {len(clean[method])} "
                f"clean and {len(crafted[method])} crafted ones"
            )
    draws = {
        "id_name": resampling.id_name,
        "ood_name": resampling.ood_name,
        "resamples": resampling.resamples,
        "seed": resampling.seed,
        "tpr": resampling.tpr,
    }
    id_part = {method: scores_id[method] for method in methods}
    before = bootstrap(id_part, {method: clean[method] for method in methods}, **draws)
    after = bootstrap(id_part, {method: crafted[method] for method in methods}, **draws)
    table: dict[str, dict[str, Any]] = {}
    for method in methods:
        values_before = all_metrics(scores_id[method], clean[method], tpr=resampling.tpr)
        values_after = all_metrics(scores_id[method], crafted[method], tpr=resampling.tpr)
        images = len(crafted[method])
        table[method] = {}
        for metric in METRICS:
            change = values_after[metric] - values_before[metric]
            low, high = difference_interval(
                change,
                after[method][metric] - before[method][metric],
                pairs=images if metric == "fpr95" else min(images, len(scores_id[method])),
                level=resampling.level,
            )
            table[method][metric] = {
                "clean": values_before[metric],
                "crafted": values_after[metric],
                "change": change,
                "low": low,
                "high": high,
            }
    return table


def knn_without(
    queries: Mapping[str, Float32[np.ndarray, "_ d"]],
    bank: Float32[np.ndarray, "m d"],
    *,
    left_out: Int64[np.ndarray, " t"],
    ks: Sequence[int],
) -> dict[str, dict[str, Float[np.ndarray, " _"]]]:
    """k-NN scores against the bank without some of its rows; by query set, then by method.

    A crafted image aims at the features of a bank image: without its target, is it still near?
    """
    keep = np.ones(len(bank), dtype=bool)
    keep[left_out] = False
    rest = unit_norm(bank[keep])
    possible = sorted(k for k in ks if k <= len(rest))
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name, features in queries.items():
        similarities = nearest(unit_norm(features), rest, k=possible[-1]).similarities
        scores[name] = {f"knn_{k}": knn_scores(similarities, k=k) for k in possible}
    return scores


def curve(
    steps: Mapping[str, np.ndarray],
    scores_id: Float[np.ndarray, " n"],
    bank: Float32[np.ndarray, "m d"],
) -> dict[str, list[int] | list[float]]:
    """1-NN AUROC on the surrogate against steps and against the size of the perturbation.

    Args:
        steps: What `craft` kept on the way: steps, features [s n d], objective, l2, linf [s n].
        scores_id: 1-NN scores of the ID test set against the same bank.
        bank: Features of the ID training set.
    """
    unit_bank = unit_norm(bank)
    found = [
        knn_scores(nearest(unit_norm(features), unit_bank, k=1).similarities, k=1)
        for features in steps["features"]
    ]
    return {
        "steps": steps["steps"].tolist(),
        "auroc": [auroc(scores_id, scores) for scores in found],
        "objective": steps["objective"].mean(axis=1).astype(float).tolist(),
        "l2": steps["l2"].mean(axis=1).astype(float).tolist(),
        "linf": steps["linf"].mean(axis=1).astype(float).tolist(),
    }


REACHED = ("cosine_float", "cosine", "objective_float", "objective")
SIZES = ("psnr", "ssim", "l2", "linf")


def image_summary(index: pl.DataFrame) -> dict[str, float]:
    """Means over the crafted images of what their index says of each; nothing where all is null."""
    means = {name: index[name].cast(pl.Float64).mean() for name in (*REACHED, *SIZES)}
    return {name: float(value) for name, value in means.items() if isinstance(value, float)}
