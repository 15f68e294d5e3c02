"""A made-up study on disk in the form that the stages evaluate, accuracy and study write."""

import csv
import json
from pathlib import Path

import numpy as np

from pipeline.report.read import read_records
from pipeline.report.records import Records, Scope

METHODS = ("knn_1", "mahalanobis", "mcm", "plp_energy", "plp_msp", "lp_msp")
TEXT_METHODS = ("mcm", "plp_energy", "plp_msp")
NO_TEXT = "backbone 'plain' has no text tower"

ACCEPTED = {"value": 0.987, "low": 0.98, "high": 0.99}


def write_world(
    root: Path,
    *,
    backbones: tuple[str, ...] = ("mini_s", "mini_m", "mini_l", "plain"),
    sets: tuple[str, ...] = ("greek", "digits", "photo_patches"),
    crafted: tuple[str, ...] = ("smooth",),
    methods: tuple[str, ...] = METHODS,
    means: dict[str, tuple[str, ...]] | None = None,
) -> None:
    """Write params.yaml and every record under `root`/reports; 'plain' has no text tower."""
    means = {"near": sets[:2], "far": sets[2:]} if means is None else means
    reports = root / "reports"
    rng = np.random.default_rng(0)
    quality = {name: 0.6 + 0.35 * i / len(backbones) for i, name in enumerate(backbones)}
    rows, mean_rows = [], []
    for backbone in backbones:
        applicable = [m for m in methods if backbone != "plain" or m not in TEXT_METHODS]
        missing = {m: NO_TEXT for m in methods if m not in applicable}
        values: dict[tuple[str, str, str], float] = {}
        for position, dataset in enumerate((*sets, *crafted)):
            record = {
                "backbone": backbone,
                "dataset": dataset,
                "id": "capitals_test",
                "n_id": 1040,
                "tpr": 0.95,
                "level": 0.95,
                "n_ood": 400 + position,
                "methods": {},
                "roc": {},
                "histogram": {},
                "constant": ["lp_msp"] if dataset == "digits" and backbone == "mini_s" else [],
                "not_applicable": missing,
            }
            for method in applicable:
                auroc = float(np.clip(quality[backbone] + rng.normal(0, 0.03), 0.3, 0.999))
                fpr = float(np.clip(1.3 - auroc, 0.01, 1))
                values[dataset, method, "auroc"], values[dataset, method, "fpr95"] = auroc, fpr
                record["methods"][method] = {
                    "auroc": _interval(auroc) | {"delong_low": auroc - 0.01, "delong_high": auroc},
                    "fpr95": _interval(fpr),
                    "fpr95_ood": round(fpr, 6),
                    "aupr_in": 0.9,
                    "aupr_out": 0.8,
                }
                record["roc"][method] = _curve(auroc)
                record["histogram"][method] = _histogram(rng, auroc)
            if dataset == sets[0]:
                record["classes"] = {
                    method: {
                        f"letter {i}": {
                            "auroc": 0.9 - i / 10,
                            "low": 0.85 - i / 10,
                            "high": 0.95 - i / 10,
                            "fpr95": i / 10,
                            "n": 20 + i,
                        }
                        for i in range(5)
                    }
                    for method in applicable
                }
            _write(reports / "evaluation" / backbone / f"{dataset}.json", record)
        for dataset in crafted:
            _write(
                reports / "adversarial" / backbone / f"{dataset}.json",
                _attack(backbone, dataset, sets[0], applicable, missing, values),
            )
        groups = {"mean": sets} | {f"mean_{name}": members for name, members in means.items()}
        for dataset, members in groups.items():
            for method in applicable:
                for metric in ("auroc", "fpr95"):
                    value = float(np.mean([values[name, method, metric] for name in members]))
                    cell = _interval(value)
                    mean_rows.append(
                        (backbone, dataset, method, metric, *cell.values(), len(members))
                    )
        classifiers = {"zero_shot": 0.0, "knn_20": 0.01, "plp": 0.005, "lp": 0.02}
        if backbone == "plain":
            classifiers = {"knn_20": 0.01, "lp": 0.02}
        _write(
            reports / "accuracy" / f"{backbone}.json",
            {
                "backbone": backbone,
                "n": 1040,
                "origin": _origin(backbone, applicable),
                "tpr": 0.95,
                "accepted": {how: dict.fromkeys(applicable, ACCEPTED) for how in classifiers},
                "classifiers": {
                    how: _interval(quality[backbone] + extra) for how, extra in classifiers.items()
                },
                "not_applicable": {
                    how: NO_TEXT for how in ("zero_shot", "plp") if how not in classifiers
                },
            },
        )
        _write(
            reports / "pseudo_labels" / f"{backbone}.json",
            {
                "backbone": backbone,
                "accuracy": 0.8,
                "rows": 2600,
                "prompts": "plp5",
                "dead_classes": [{"label": 16, "class": "latin capital letter q"}]
                if backbone == "mini_s"
                else [],
            }
            if backbone != "plain"
            else {"backbone": backbone, "applicable": False, "reason": NO_TEXT},
        )
    header = ("backbone", "dataset", "method", "metric", "value", "low", "high", "n")
    _write_csv(reports / "study" / "results.csv", [header, *rows, *mean_rows])
    _write_csv(
        reports / "study" / "claims.csv",
        [
            (
                "claim",
                "statement",
                "paper",
                "ours",
                "low",
                "high",
                "interval",
                "p",
                "on",
                "of",
                "mean",
            ),
            (
                "a",
                "R² over CLIP",
                "≥ 0.92",
                "0.970",
                "0.900",
                "0.990",
                "Fisher",
                "",
                "3 backbones",
                "",
                "mean",
            ),
            *_differences(means),
            ("e", "CIFAR-100", "87.6", "not run: needs cifar100", "", "", "", "", "", "", ""),
        ],
    )
    _write_csv(
        reports / "study" / "lines.csv",
        [
            (
                "set",
                "sets",
                "backbones",
                "r2",
                "slope",
                "images_low",
                "images_high",
                "fisher_low",
                "fisher_high",
                "bootstrap_low",
                "bootstrap_high",
                "undefined",
            ),
            ("mean", len(sets), 4, 0.97, 0.5, 0.9, 0.98, 0.1, 0.999, 0.8, 1, ""),
            *((f"mean_{name}", 1, 3, 0.5, -0.25, 0.4, 0.6, "", "", "", "", "") for name in means),
            *((name, 1, "", *[""] * 8, "needs knn_20 of mini_s") for name in sets),
        ],
    )
    _write_csv(
        reports / "study" / "comparisons.csv",
        [
            (
                "backbone", "dataset", "first", "second", "difference", "low", "high", "p",
                "p_holm", "fpr95_difference", "fpr95_low", "fpr95_high",
            ),
            *_comparisons(backbones, sets, means),
        ],
    )  # fmt: skip
    _write(reports / "study.json", {"a": {"r_squared": 0.97}})
    names = "\n".join(f"- {name}" for name in backbones)
    listed = "\n".join(f"  - {name}" for name in sets)
    grouped = "".join(f"    {name}: [{', '.join(group)}]\n" for name, group in means.items())
    (root / "params.yaml").write_text(
        f"backbone: {backbones[0]}\nbackbones:\n{names}\n"
        f"benchmark:\n  name: glyphs\n  id_train: capitals_train\n  id_test: capitals_test\n"
        f"  means:\n{grouped}"
        f"matrix:\n  ood:\n{listed}\n  crafted: [{', '.join(crafted)}]\n"
        f"study:\n  clip: [{', '.join(name for name in backbones if name != 'plain')}]\n"
        f"report:\n  headline_methods: [{', '.join(methods[:6])}]\n",
        encoding="utf-8",
    )


def made_up_records(
    root: Path,
    *,
    backbone: str,
    backbones: tuple[str, ...],
    sets: tuple[str, ...],
    headline_methods: tuple[str, ...],
    benchmark: str = "glyphs",
    id_test: str = "capitals_test",
    methods: tuple[str, ...] = METHODS,
    means: dict[str, tuple[str, ...]] | None = None,
    clip: tuple[str, ...] = (),
) -> Records:
    """Write a study without crafted sets and read it as the report does."""
    means = means or {}
    write_world(root, backbones=backbones, sets=sets, crafted=(), methods=methods, means=means)
    scope = Scope(
        backbone=backbone,
        backbones=backbones,
        benchmark=benchmark,
        id_test=id_test,
        ood=sets,
        crafted=(),
        means=means,
        clip=clip,
        headline_methods=headline_methods,
    )
    return read_records(root / "reports", scope)


def _attack(backbone, dataset, ood, applicable, missing, values) -> dict[str, object]:
    def change(method: str, metric: str, by: float) -> dict[str, float]:
        clean = values[ood, method, metric]
        return {
            "clean": clean, "crafted": clean + by, "change": by, "low": by - 0.02, "high": by + 0.01
        }  # fmt: skip

    methods = {
        method: {"auroc": change(method, "auroc", -0.2), "fpr95": change(method, "fpr95", 0.25)}
        for method in applicable
    }
    record: dict[str, object] = {
        "backbone": backbone,
        "dataset": dataset,
        "ood": ood,
        "surrogate": "mini_m",
        "attack": "feature",
        "smoothness": 5000.0 if dataset == "smooth" else 0.0,
        "steps": 250,
        "pairs": 200,
        "images": {"cosine": 0.97, "psnr": 31.2, "ssim": 0.91, "l2": 1.5, "linf": 0.2},
        "methods": methods,
        "not_applicable": missing,
        "without_targets": {"knn_1": methods["knn_1"]} if "knn_1" in methods else {},
    }
    if backbone == "mini_m":
        record["curve"] = {
            "steps": [0, 10, 25, 50, 100, 175, 250],
            "auroc": [0.9, 0.85, 0.78, 0.7, 0.66, 0.64, 0.63],
            "objective": [0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97],
            "l2": [0.05, 0.3, 0.6, 0.9, 1.2, 1.4, 1.5],
            "linf": [0.01, 0.02, 0.05, 0.1, 0.14, 0.18, 0.2],
        }
    return record


def _origin(backbone, methods) -> dict[str, object]:
    settings = {
        name: {"score": "knn", "k": 1, "engine": "auto"} if name == "knn_1" else {"score": name}
        for name in methods
    }
    return {
        "model": {"loader": "timm", "name": f"{backbone}_net", "sha256": backbone[-1] * 64},
        "features": {"space": "features", "width": 96, "dtype": "float16", "precision": "float32"},
        "bank": {"dataset": "capitals_train", "key": "b" * 64, "rows": 2600},
        "detector": "d" * 64,
        "methods": settings,
        "versions": {"torch": "2.15.0", "python": "3.11.7"},
    }


def _comparisons(backbones, sets, means) -> list[tuple[object, ...]]:
    """Lines of text: rows of sets have p-values, rows of means have none."""
    of_fpr = -0.1, -0.12, -0.08
    return [
        (backbone, dataset, "plp_msp", "mcm", 0.034, 0.02, 0.051, *chance, *of_fpr)
        for backbone in backbones
        if backbone != "plain"
        for dataset, chance in [
            *((name, (1e-06, 0.0421)) for name in sets),
            *((f"mean_{name}", ("", "")) for name in means),
            ("mean", ("", "")),
        ]
    ]


def _differences(means) -> list[tuple[object, ...]]:
    """Claims b and c as the study writes them: a row for every mean."""
    said = "b", "AUROC of plp_msp minus mcm", "+3.4"
    tuned = "c", "AUROC of linear probing minus fine-tuning", "+7.3"
    pair = "lp_msp of mini_s minus ft_msp of mini_s_ft"
    return [
        *(
            (*said, f"+{i}.0", "-1.0", "+9.0", "paired", f"better on {i} of 3", "", "mini_l", mean)
            for i, mean in enumerate(["mean", *(f"mean_{name}" for name in means)], 1)
        ),
        (*tuned, "-2.0", "-3.0", "-1.0", "paired", "", "", pair, "mean"),
        (*tuned, "not run: needs vit_h_ft among backbones", "", "", "", "", "vit_h", "", ""),
    ]


def _interval(value: float) -> dict[str, float]:
    low, high = max(0.0, value - 0.012), min(1.0, value + 0.011)
    return {"value": round(value, 6), "low": round(low, 6), "high": round(high, 6)}


def _curve(auroc: float) -> dict[str, list[float]]:
    fpr = np.linspace(0, 1, 100)
    return {"fpr": fpr.round(4).tolist(), "tpr": (fpr ** (1 / auroc - 1)).round(4).tolist()}


def _histogram(rng: np.random.Generator, auroc: float) -> dict[str, list[float]]:
    edges = np.linspace(-4, 6, 41)
    counts_id, _ = np.histogram(rng.normal(3 * auroc, 1, 1040), edges)
    counts_ood, _ = np.histogram(rng.normal(0, 1, 400), edges)
    return {
        "edges": edges.round(4).tolist(),
        "id": counts_id.tolist(),
        "ood": counts_ood.tolist(),
    }


def _write(path: Path, record: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _write_csv(path: Path, rows: list[tuple[object, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
