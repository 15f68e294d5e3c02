"""Every number can be traced: models, bank, settings, software, and how neighbours were found."""

import dataclasses
from copy import deepcopy

import pytest
from report_world import made_up_records

from pipeline.report import contents
from pipeline.report.document import sections
from pipeline.report.provenance import (
    methods_table,
    models_table,
    provenance_tables,
    sets_table,
    software_table,
)
from pipeline.scores import NEEDS
from pipeline.scores.needs import Needs

SETS = ("greek", "digits")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return made_up_records(
        tmp_path_factory.mktemp("study"),
        backbone="mini_l",
        backbones=("mini_s", "mini_l", "plain"),
        sets=SETS,
        headline_methods=("mcm", "knn_1"),
    )


def changed(records, backbone, **origin):
    accuracies = deepcopy(records.accuracies)
    accuracies[backbone]["origin"] |= origin
    return dataclasses.replace(records, accuracies=accuracies)


def test_every_backbone_of_the_study_has_its_weights(records):
    table = models_table(records)

    assert [row[0] for row in table.rows] == ["mini_s", "mini_l", "plain"]
    assert table.rows[1] == (
        "mini_l",
        "timm, mini_l_net",
        12 * "l",
        "features, float16, 96 wide, computed in float32",
        12 * "b",
        12 * "d",
    )
    assert "reports/accuracy/<backbone>.json" in table.note


def test_what_was_trained_here_and_what_has_no_hash_say_so(records):
    model = {"loader": "timm", "name": "net", "made_here": "finetune", "start": "mini_s"}
    tuned = changed(records, "plain", model=model | {"sha256": "random weights, seed 3"})

    last = models_table(tuned).rows[-1]

    assert last[1:3] == ("timm, net, fine-tuned here from mini_s", "random weights, seed 3")


def test_the_bank_stands_among_the_sets_with_its_size(records):
    assert sets_table(records).rows[:2] == (
        ("capitals_train", "ID train: the bank", "2600"),
        ("capitals_test", "ID test", "104"),
    )


def test_settings_of_every_method_are_literal_and_differences_between_backbones_show(records):
    rows = {row[0]: row[1:] for row in methods_table(records).rows}
    assert rows["knn_1"] == ("knn: engine=auto, k=1", "exact")
    assert rows["mcm"] == ("mcm", "")
    assert list(rows)[:2] == ["mcm", "knn_1"]

    other = {"knn_1": {"score": "knn", "k": 1, "engine": "ivf"}}
    mixed = {row[0]: row[1] for row in methods_table(changed(records, "plain", methods=other)).rows}
    assert mixed["knn_1"] == "knn: engine=auto, k=1 or knn: engine=ivf, k=1"


def test_every_score_that_looks_at_neighbours_says_how_they_were_searched(records, monkeypatch):
    """A score of the user's own as its page declares, one that was removed since as none."""
    told = {"mcm": {"score": "own", "k": 2}, "knn_1": {"score": "removed"}}
    for name in records.scope.backbones:
        records = changed(records, name, methods=told)
    for needs, words in ((Needs(), ""), (Needs(neighbours="guides"), "exact")):
        monkeypatch.setitem(NEEDS, "own", needs)
        found = {row[0]: row[2] for row in methods_table(records).rows}
        assert (found["mcm"], found["knn_1"]) == (words, "")


def test_backbones_of_the_same_software_share_a_row(records):
    assert software_table(records).rows == (
        ("mini_s, mini_l, plain", "python 3.11.7, torch 2.15.0"),
    )
    newer = software_table(changed(records, "mini_l", versions={"torch": "3.0"}))
    assert newer.rows[1] == ("mini_l", "torch 3.0")


def test_the_recall_of_an_approximate_search_stands_beside_its_numbers(records):
    """Under the headline and every table of the metric, and in the table of methods."""
    evaluations = deepcopy(records.evaluations)
    for dataset, of_ood in zip(SETS, (0.871, 0.9), strict=True):
        recall = {"knn_1": {"k": 50, "id": 0.98, "ood": of_ood}}
        evaluations["mini_l"][dataset]["recall"] = recall
    found = dataclasses.replace(records, evaluations=evaluations)

    told = "Approximate neighbours, with the share of the true ones that was found"
    for table in (contents.headline_table(found), contents.metric_table(found, "fpr95")):
        assert told in table.note
        assert table.note.endswith("knn_1 87.1–98.0 % of 50.")
    assert methods_table(found).rows[1][2] == "approximate: 87.1–98.0 % of 50"
    assert told not in contents.headline_table(records).note
    assert contents.backbones_table(found).note.endswith("knn_1 87.1–98.0 % of 50.")
    evaluations["plain"]["greek"]["recall"] = {"knn_1": {"k": 50, "id": 0.5, "ood": 0.6}}
    assert contents.backbones_table(found).note.endswith("knn_1 50.0–98.0 % of 50.")
    assert contents.headline_table(found).note.endswith("knn_1 87.1–98.0 % of 50.")


def test_every_table_stands_in_its_section(records):
    titles = [table.title for table in provenance_tables(records)]

    assert titles == ["Data sets", "Models", "Methods", "Software that computed the features"]
    section = sections(records, figures={})[-1]
    assert (section.name, [table.title for table in section.tables]) == ("provenance", titles)
