"""A made-up study on disk in the form that the stages evaluate, accuracy and study write."""

import csv
import functools
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from pipeline.files import write_text
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import read_study
from pipeline.findings.study_scope import StudyScope
from pipeline.findings.study_tables import results_table
from pipeline.json_text import write_json
from pipeline.report.read import read_records
from pipeline.report.records import Records, ReportScope
from pipeline.statistics.accuracy import accuracy_record
from pipeline.statistics.evaluation import evaluation_record
from pipeline.statistics.evaluation_params import EvaluateParams

METHODS = ("knn_1", "mahalanobis", "mcm", "plp_energy", "plp_msp", "lp_msp")
TEXT_METHODS = ("mcm", "plp_energy", "plp_msp")
NO_TEXT = "backbone 'plain' has no text tower"

N_ID, N_OOD = 104, 40  # the further sets have one image more each
EVALUATE = EvaluateParams(resamples=120, replicates=100, compare=(("plp_msp", "mcm"),))


def write_world(
    root: Path,
    *,
    backbones: tuple[str, ...] = ("mini_s", "mini_m", "mini_l", "plain"),
    sets: tuple[str, ...] = ("greek", "digits", "photo_patches"),
    crafted: tuple[str, ...] = ("smooth",),
    methods: tuple[str, ...] = METHODS,
    means: dict[str, tuple[str, ...]] | None = None,
    id_test: str = "capitals_test",
) -> None:
    """Write params.yaml and every record under `root`/reports; 'plain' has no text tower.

    Evaluation and accuracy records and the long table are made by the functions of their stages.
    """
    means = {"near": sets[:2], "far": sets[2:]} if means is None else means
    reports = root / "reports"
    for number, backbone in enumerate(backbones):
        quality = 0.6 + 0.35 * number / len(backbones)
        applicable = tuple(m for m in methods if backbone != "plain" or m not in TEXT_METHODS)
        missing = tuple(m for m in methods if m not in applicable)
        made = {}
        for position, dataset in enumerate((*sets, *crafted)):
            made[dataset] = _evaluation(
                backbone, dataset, id_test, quality, position, applicable, missing
            )
            write_json(reports / "evaluation" / backbone / f"{dataset}.json", made[dataset])
        for dataset in crafted:
            write_json(
                reports / "adversarial" / backbone / f"{dataset}.json",
                _attack(made[sets[0]], dataset),
            )
        write_json(
            reports / "accuracy" / f"{backbone}.json",
            _accuracy(backbone, id_test, quality, applicable, missing)
            | {"origin": _origin(backbone, applicable)},
        )
        write_json(
            reports / "pseudo_labels" / f"{backbone}.json",
            {
                "backbone": backbone,
                "applicable": True,
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
    scope = StudyScope(
        "glyphs", backbones, id_test, sets, dict.fromkeys(crafted, sets[0]), dict(means)
    )
    results = results_table(read_study(reports, scope))
    write_text(reports / "results.csv", results.write_csv())
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
    write_json(reports / "study.json", {"a": {"r_squared": 0.97}})
    names = "\n".join(f"- {name}" for name in backbones)
    listed = "\n".join(f"  - {name}" for name in sets)
    clip = ", ".join(name for name in backbones if name != "plain")
    attacks = "".join(f"  {name}: {{source: craft, ood: {sets[0]}}}\n" for name in crafted)
    grouped = "".join(f"    {name}: [{', '.join(group)}]\n" for name, group in means.items())
    (root / "params.yaml").write_text(
        f"backbone: {backbones[0]}\nbackbones:\n{names}\n"
        f"benchmark:\n  name: glyphs\n  id_train: capitals_train\n  id_test: {id_test}\n"
        f"  means:\n{grouped}"
        f"matrix:\n  ood:\n{listed}\n  crafted: [{', '.join(crafted)}]\n"
        f"datasets:{'' if crafted else ' {}'}\n{attacks}"
        f"study:\n  family: []\n  clip: [{clip}]\n"
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
    study: StudyParams | None = None,
) -> Records:
    """Write a study without crafted sets and read it as the report does."""
    means = means or {}
    write_world(
        root,
        backbones=backbones,
        sets=sets,
        crafted=(),
        methods=methods,
        means=means,
        id_test=id_test,
    )
    scope = ReportScope(
        backbone=backbone,
        backbones=backbones,
        benchmark=benchmark,
        id_test=id_test,
        ood=sets,
        crafted={},
        means=means,
        study=study or StudyParams(family=[], clip=[]),
        headline_methods=headline_methods,
    )
    return read_records(root / "reports", scope)


@functools.cache
def _scores(
    backbone: str, dataset: str, shift: float, n: int, methods: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Normal scores about `shift`; those of lp_msp on mini_s are constant."""
    rng = np.random.default_rng([*f"{backbone} {dataset}".encode()])
    return {
        method: np.ones(n)
        if (backbone, method) == ("mini_s", "lp_msp")
        else rng.normal(shift + rng.normal(0, 0.1), 1, n)
        for method in methods
    }


def _of_id(backbone: str, id_test: str, quality: float, methods) -> dict[str, np.ndarray]:
    shift = float(np.sqrt(2) * ndtri(quality))  # two such normals have this AUROC
    return _scores(backbone, id_test, shift, N_ID, methods)


@functools.cache
def _evaluation(backbone, dataset, id_test, quality, position, methods, missing) -> dict[str, Any]:
    """The first set has five classes, each harder than the one before; the others have one."""
    n = N_OOD + position
    classes = [f"letter {i % 5}" if position == 0 else "one" for i in range(n)]
    harder = np.arange(n) % 5 * 0.8 if position == 0 else 0.0
    of_ood = {
        method: values if (backbone, method) == ("mini_s", "lp_msp") else values + harder
        for method, values in _scores(backbone, dataset, 0.0, n, methods).items()
    }
    return evaluation_record(
        _of_id(backbone, id_test, quality, methods),
        of_ood,
        backbone=backbone,
        id_name=id_test,
        ood_name=dataset,
        not_applicable=dict.fromkeys(missing, NO_TEXT),
        class_names=classes,
        params=EVALUATE,
    )


@functools.cache
def _accuracy(backbone, id_test, quality, methods, missing) -> dict[str, Any]:
    better = {"zero_shot": 0.0, "knn_20": 0.01, "plp": 0.005, "lp": 0.02}
    absent = ("zero_shot", "plp") if backbone == "plain" else ()
    labels = np.arange(N_ID) % 4
    return accuracy_record(
        {
            how: np.where(np.arange(N_ID) < round((quality + extra) * N_ID), labels, 4)
            for how, extra in better.items()
            if how not in absent
        },
        labels,
        _of_id(backbone, id_test, quality, methods),
        backbone=backbone,
        id_name=id_test,
        not_applicable=dict.fromkeys(absent, NO_TEXT),
        methods_not_applicable=dict.fromkeys(missing, NO_TEXT),
        params=EVALUATE,
    )


def _attack(evaluation: dict[str, Any], dataset: str) -> dict[str, object]:
    """What an attack does to each method of the set that its images came from."""

    def change(metric: dict[str, float], by: float) -> dict[str, float]:
        clean = metric["value"]
        return {
            "clean": clean, "crafted": clean + by, "change": by, "low": by - 0.02, "high": by + 0.01
        }  # fmt: skip

    methods = {
        method: {"auroc": change(cells["auroc"], -0.2), "fpr95": change(cells["fpr95"], 0.25)}
        for method, cells in evaluation["methods"].items()
    }
    backbone = evaluation["backbone"]
    record: dict[str, object] = {
        "backbone": backbone,
        "dataset": dataset,
        "ood": evaluation["dataset"],
        "surrogate": "mini_m",
        "attack": "feature",
        "smoothness": 5000.0 if dataset == "smooth" else 0.0,
        "steps": 250,
        "pairs": 200,
        "images": {"cosine": 0.97, "psnr": 31.2, "ssim": 0.91, "l2": 1.5, "linf": 0.2},
        "methods": methods,
        "not_applicable": evaluation["not_applicable"],
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


def _write_csv(path: Path, rows: list[tuple[object, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
