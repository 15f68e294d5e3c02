"""Claims, tables and figures speak of the score and the classifier that the study names."""

import dataclasses

import pytest
from report_world import write_world

from pipeline.classifier_names import CLASSIFIERS, KNN
from pipeline.detectors.knn_classifier import NEIGHBOURS
from pipeline.findings.claims import claims_table
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import read_study
from pipeline.report.attacks import attack_table, transfer_table
from pipeline.report.figure_scatter import accuracy_figure
from pipeline.report.lines import lines_table
from pipeline.report.pictures import captions
from pipeline.report.read import read_records
from pipeline.report.records import ReportScope

BACKBONES = ("mini_m", "mini_s", "mini_l")
OURS = StudyParams(family=[], clip=[*BACKBONES], nearest="mahalanobis", classifier="lp")
USUAL = StudyParams(family=[], clip=[*BACKBONES])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    found = tmp_path_factory.mktemp("study")
    write_world(found, backbones=BACKBONES, sets=("greek", "digits"), means={})
    return found / "reports"


@pytest.fixture(scope="module")
def scope():
    return ReportScope(
        backbone="mini_m",
        backbones=BACKBONES,
        benchmark="glyphs",
        id_test="capitals_test",
        ood=("greek", "digits"),
        crafted={"smooth": "greek"},
        headline_methods=("knn_1",),
        study=OURS,
    )


@pytest.fixture(scope="module")
def records(root, scope):
    return read_records(root, scope)


def told(root, scope, params, claim):
    rows = claims_table(read_study(root, scope), params).filter(claim=claim)
    return {(row["statement"], row["paper"]) for row in rows.iter_rows(named=True)}


def test_claims_name_what_was_measured(root, scope):
    assert told(root, scope, USUAL, "a") == {
        ("R² of knn_1 AUROC on knn_20 ID accuracy over CLIP models", "≥ 0.92")
    }
    assert told(root, scope, USUAL, "d") == {
        ("knn_1 AUROC before and after an attack", "CLIP models fail")
    }


def test_the_paper_s_numbers_say_what_they_are_of_where_ours_are_of_another_score(root, scope):
    params = dataclasses.replace(OURS, probe=("plp_msp",), finetuned_scores=("ft_msp",))

    assert told(root, scope, params, "a") == {
        (
            "R² of mahalanobis AUROC on lp ID accuracy over CLIP models",
            "≥ 0.92, of knn_1 and knn_20",
        )
    }
    assert told(root, scope, params, "d") == {
        ("mahalanobis AUROC before and after an attack", "CLIP models fail, of knn_1")
    }
    assert {paper for _, paper in told(root, scope, params, "e")} == {
        "87.6 (largest CLIP), of knn_1",
        "97.4 (largest CLIP), of lp_msp",
    }


def test_claim_d_says_what_a_user_writes(root, scope):
    """matrix.crafted is derived; data sets of source craft are what is named."""
    without = dataclasses.replace(scope, crafted={})
    (claim,) = claims_table(read_study(root, without), USUAL).filter(claim="d")["ours"]

    assert claim == (
        "not run: needs a data set of source craft (datasets), as conf/attacks.yaml has two"
    )


def test_the_figure_of_claim_a_is_of_the_study_s_score_and_classifier(records):
    figure = accuracy_figure(records)
    panel = figure.axes[1]

    drawn = {tuple(line.get_xydata()[0]) for line in panel.lines if len(line.get_xydata()) == 1}
    assert drawn == {
        (
            100 * records.accuracy(name, "lp")[0],
            100 * records.metric(name, "greek", "mahalanobis", "auroc")[0],
        )
        for name in BACKBONES
    }
    assert figure.get_supxlabel() == "lp accuracy on the ID test set (%)"
    assert figure.get_supylabel().startswith("mahalanobis AUROC (%), higher")
    caption = captions(records)["accuracy_against_auroc"]
    assert "lp accuracy (farther right is better) against mahalanobis AUROC" in caption


def test_tables_of_lines_and_attacks_are_of_the_study_s_score(records):
    auroc = records.adversarial["mini_s"]["smooth"]["methods"]["mahalanobis"]["auroc"]
    transfer = transfer_table(records)

    assert "line of mahalanobis AUROC on lp ID accuracy" in lines_table(records).note
    assert transfer.note.startswith("AUROC (%) of mahalanobis, clean → crafted")
    assert transfer.rows[0][2].startswith(f"{100 * auroc['clean']:.1f} → ")
    names = [row[0] for row in attack_table(records, "smooth").rows]
    assert "knn_1, bank without targets" not in names


def test_the_classifier_by_neighbours_is_named_by_their_number():
    assert f"knn_{NEIGHBOURS}" == KNN
    assert KNN in CLASSIFIERS
