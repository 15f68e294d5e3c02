import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_scope import StudyScope
from pipeline.json_text import write_json
from pipeline.report.records import ReportScope
from pipeline.statistics.accuracy import accuracy_record
from pipeline.statistics.evaluation import evaluation_record
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.statistics.metrics import auroc
from stages import report, study

PARAMS = EvaluateParams(resamples=100, replicates=100, compare=(("plp_msp", "mcm"),))
BACKBONES = {"mini_s": 0.8, "mini_l": 1.6}
SETS = ("greek", "digits")
ORIGIN = {
    "model": {"loader": "timm", "name": "net", "sha256": "a" * 64},
    "features": {"space": "features", "width": 8, "dtype": "float16"},
    "bank": {"dataset": "capitals_train", "key": "b" * 64, "rows": 200},
    "detector": "d" * 64,
    "methods": {name: {"score": name} for name in ("knn_1", "mcm", "plp_msp", "lp_msp")},
    "versions": {"torch": "2.15.0"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Scores through evaluate, accuracy and study into the report; one method is constant."""
    root = tmp_path_factory.mktemp("reports")
    rng = np.random.default_rng(0)
    scores = {}
    for backbone, shift in BACKBONES.items():
        of_id = {name: rng.normal(shift, 1, 60) for name in ("knn_1", "mcm", "plp_msp")}
        of_id["lp_msp"] = np.ones(60)
        for dataset in SETS:
            of_ood = {name: rng.normal(0, 1, 40) for name in ("knn_1", "mcm", "plp_msp")}
            of_ood["lp_msp"] = np.ones(40)
            scores[backbone, dataset] = of_id, of_ood
            record = evaluation_record(
                of_id,
                of_ood,
                backbone=backbone,
                id_name="capitals_test",
                ood_name=dataset,
                not_applicable={},
                class_names=["alpha", "beta"] * 20,
                params=PARAMS,
            )
            write_json(root / "evaluation" / backbone / f"{dataset}.json", record)
        labels = np.arange(60, dtype=np.int32) % 4
        record = accuracy_record(
            {"knn_20": np.where(rng.random(60) < 0.5 + shift / 5, labels, 0).astype(np.int32)},
            labels,
            of_id,
            backbone=backbone,
            id_name="capitals_test",
            not_applicable={"zero_shot": "no text tower"},
            methods_not_applicable={},
            params=PARAMS,
        )
        write_json(root / "accuracy" / f"{backbone}.json", record | {"origin": ORIGIN})
        write_json(
            root / "pseudo_labels" / f"{backbone}.json", {"backbone": backbone, "applicable": False}
        )
    means = {"near": SETS}
    names = tuple(BACKBONES)
    study.run(
        root,
        StudyScope("glyphs", names, "capitals_test", SETS, means=means),
        StudyParams(family=list(names), clip=list(names)),
    )
    scope = ReportScope(
        backbone="mini_l",
        backbones=names,
        benchmark="glyphs",
        id_test="capitals_test",
        ood=SETS,
        crafted={},
        means=means,
        study=StudyParams(family=[], clip=list(names)),
        headline_methods=("knn_1", "mcm", "lp_msp"),
    )
    headline = ["knn_1", "mcm", "lp_msp"]
    printed = report.run(root, scope, report.ReportParams(headline_methods=headline))
    return root, scores, printed


def test_the_headline_is_the_auroc_of_the_scores(made):
    root, scores, printed = made
    metrics = json.loads((root / "metrics.json").read_text())

    values = [auroc(*(side["knn_1"] for side in scores["mini_l", name])) for name in SETS]

    found = [metrics["ood"][name]["knn_1"]["auroc"] for name in SETS]
    np.testing.assert_allclose(found, values, atol=1e-5)
    assert metrics["mean_near"]["knn_1"]["auroc"] == pytest.approx(np.mean(values), abs=1e-5)
    assert f"{100 * np.mean(values):.1f} (" in printed


def test_constant_scores_are_half_and_noted(made):
    root, _, _ = made
    text = (root / "results.md").read_text(encoding="utf-8")

    assert "| lp_msp | 50.0 (45.6–54.4) |" in text  # what 40 pairs without a difference allow
    assert "Constant scores on greek with mini_l: lp_msp." in text


def test_every_number_stands_in_one_table_in_two_forms(made):
    """The study writes it and the report reads it; no second table repeats it."""
    root, _, _ = made
    keys = ["backbone", "dataset", "method", "metric"]
    table = pl.read_parquet(root / "results.parquet")

    assert table.select(keys).is_duplicated().sum() == 0
    assert table.equals(table.sort(keys))
    assert pl.read_csv(root / "results.csv", schema=table.schema).equals(table)
    tables = {path for path in root.rglob("*.*") if path.suffix in (".csv", ".parquet")}
    with_values = [path.name for path in tables if b"metric,value" in path.read_bytes()]
    assert (with_values, len([p for p in tables if p.suffix == ".parquet"])) == (["results.csv"], 1)


def test_every_picture_is_drawn_from_real_records(made):
    root, _, _ = made

    drawn = {path.stem for path in Path(root / "figures").glob("*.svg")}
    assert drawn == set(report.FIGURES) - {"attack_curves"}
    assert "| greek | alpha |" in (root / "results.md").read_text(encoding="utf-8")
