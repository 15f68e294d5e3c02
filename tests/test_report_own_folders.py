"""The report of a user's own folders: one backbone, one OOD set, often no text tower."""

import dataclasses

import pytest
from report_world import METHODS, made_up_records

from pipeline.percent import percent
from pipeline.report import background, contents
from pipeline.report.claims import claims_table, differences_table
from pipeline.report.document import sections
from pipeline.report.figure_methods import backbones_figure, mean_figure, sets_figure
from pipeline.report.figure_scatter import accuracy_figure
from pipeline.report.pictures import captions
from pipeline.report.seed_spread import seeds_table

SEEDS = (*METHODS, "knn_1_seed43")


def records_of(root, *backbones, sets=("vehicles",)):
    return made_up_records(
        root,
        backbone=backbones[0],
        backbones=backbones,
        sets=sets,
        benchmark="folders",
        methods=SEEDS,
        headline_methods=("knn_1", "mcm"),
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """One backbone without text tower on one set."""
    return records_of(tmp_path_factory.mktemp("plain"), "plain")


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    return records_of(tmp_path_factory.mktemp("mini"), "mini_l", "plain")


def test_claims_over_one_set_name_it_and_no_mean(mini):
    (b, *_) = (row for row in claims_table(mini).rows if row[0] == "b")
    differences = differences_table(mini)

    assert b[-1] == "folders, on vehicles"
    assert differences.title == "Claims b and c, on vehicles"
    assert differences.header[2:] == ("vehicles", "tests")
    assert "all 1" not in differences.note


def test_where_there_is_one_set_nothing_is_called_a_mean(mini):
    """Its AUROC is the set's own."""
    figure = mean_figure(mini).axes[0]
    shown = captions(mini)

    assert contents.backbones_table(mini).title == "AUROC on vehicles, every backbone"
    assert figure.get_xlabel().startswith("AUROC on vehicles (%), higher")
    assert figure.get_title(loc="left") == "every method"
    assert accuracy_figure(mini).axes[0].get_title(loc="left") == "vehicles"
    assert "In percent, AUROC on vehicles;" in seeds_table(mini).note
    assert not any("mean" in shown[name].lower() for name in ("mean_auroc", "auroc_by_backbone"))
    assert "for vehicles: brighter" in shown["auroc_by_set"]


def test_where_no_mean_stands_beside_it_the_one_set_has_its_interval(plain, tmp_path):
    two = records_of(tmp_path, "plain", sets=("vehicles", "textures"))
    cell = percent(*plain.metric("plain", "vehicles", "knn_1", "auroc"))
    alone, *_ = percent(*two.metric("plain", "vehicles", "knn_1", "auroc")).split(" (")

    assert contents.headline_table(plain).rows[0] == ("knn_1", cell)
    assert "–" in cell
    assert contents.headline_table(two).rows[0][2] == alone


def test_one_backbone_is_not_told_twice(plain, mini):
    assert backbones_figure(plain) is None
    assert backbones_figure(mini) is not None
    assert "backbones" not in [part.name for part in sections(plain, figures={})]
    assert "backbones" in [part.name for part in sections(mini, figures={})]


def test_what_does_not_apply_is_named_once(plain):
    """In Notes with its reason; the tables count it, and the headline keeps what was asked for."""
    tables = contents.metric_table(plain, "auroc"), contents.accepted_table(plain)
    left_out = "Without a row: 3 methods that do not apply to plain; Notes names them and why."

    for table in tables:
        assert [row[0] for row in table.rows] == ["knn_1", "knn_1_seed43", "lp_msp", "mahalanobis"]
        assert left_out in table.note
        assert "  " not in table.note
    (absent,) = background.not_applicable_table(plain).rows
    assert absent[2].startswith("mcm, plp_energy, plp_msp")
    assert [row[0] for row in contents.headline_table(plain).rows] == ["knn_1", "mcm"]
    names = [label.get_text() for label in sets_figure(plain).axes[0].get_yticklabels()]
    assert names == [row[0] for row in tables[0].rows]


def test_a_method_of_any_backbone_has_its_row(mini):
    table = contents.backbones_table(mini)

    assert {row[0] for row in table.rows} == set(mini.methods)
    assert "Without a row" not in table.note
    assert ("mcm", "n/a") in {(row[0], row[2]) for row in table.rows}


def test_a_dead_class_is_named_with_its_label_and_no_count(mini):
    dead = {"dead_classes": [{"label": 1, "class": "dandelion"}]}
    labelled = mini.pseudo_labels | {"mini_l": mini.pseudo_labels["mini_l"] | dead}

    found = background.notes(dataclasses.replace(mini, pseudo_labels=labelled))

    assert (
        "Dead classes of mini_l, which no training image got as pseudo-label: dandelion (label 1)."
        in found
    )


def searched(records, **changes):
    report = {
        "sets": {name: {"role": "OOD", "images": 3} for name in ("train", "test", "vehicles")},
        "overlaps": {},
        "threshold": 0.99,
        "warnings": [],
    }
    return dataclasses.replace(records, duplicates={"vehicles": report | changes})


def test_no_duplicates_are_said_only_where_they_were_searched(plain):
    none = (
        "Duplicates: none found among train, test, vehicles: no two equal files, and no image of "
        "one set nearly the same as one of another (cosine of at least 0.99)."
    )

    assert background.notes(plain) == ("No constant scores.",)
    assert background.notes(searched(plain)) == ("No constant scores.", none)
    unsearched = "vehicles was not searched for near copies in test: other weights"
    told = background.notes(searched(plain, warnings=[unsearched]))
    assert told == ("No constant scores.", f"Duplicates: {unsearched}")


def test_no_section_is_empty(plain):
    found = sections(plain, figures={})

    assert all(part.paragraphs or part.tables for part in found)
    assert all(table.rows for part in found for table in part.tables)
    assert {"scores", "comparisons", "adversarial"}.isdisjoint(part.name for part in found)
