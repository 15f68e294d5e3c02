import copy
import dataclasses
import json

import pytest
from report_world import write_world

from pipeline.findings.study_params import StudyParams
from pipeline.percent import percent
from pipeline.report import background, contents
from pipeline.report.comparisons import comparisons_table
from pipeline.report.document import sections
from pipeline.report.figure_methods import backbones_figure, mean_figure, sets_figure
from pipeline.report.figure_scatter import accuracy_figure
from pipeline.report.hardest_classes import classes_table
from pipeline.report.headline import headline_metrics
from pipeline.report.provenance import sets_table
from pipeline.report.read import read_records
from pipeline.report.records import ReportScope
from pipeline.statistics.accuracy import wilson_interval

BACKBONES = ("mini_s", "mini_l", "plain")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The records as read, and the same records as plain JSON by backbone and set."""
    root = tmp_path_factory.mktemp("study")
    write_world(root, backbones=BACKBONES, sets=("greek", "digits"), crafted=("smooth",), means={})
    scope = ReportScope(
        backbone="mini_l",
        backbones=BACKBONES,
        benchmark="glyphs",
        id_test="capitals_test",
        ood=("greek", "digits"),
        crafted={"smooth": "greek"},
        means={},
        study=StudyParams(family=[], clip=["mini_s", "mini_l"]),
        headline_methods=("mcm", "knn_1"),
    )
    plain = {
        (backbone, dataset): json.loads(
            (root / "reports" / "evaluation" / backbone / f"{dataset}.json").read_text()
        )
        for backbone in BACKBONES
        for dataset in scope.sets
    }
    return read_records(root / "reports", scope), plain


def cell(table, row, column):
    position = table.header.index(column)
    return next(cells[position] for cells in table.rows if cells[0] == row)


def written(metric):
    return "{value:.1f} ({low:.1f}–{high:.1f})".format(
        **{key: 100 * metric[key] for key in ("value", "low", "high")}
    )


@pytest.mark.parametrize("metric", ["auroc", "fpr95"])
@pytest.mark.parametrize("dataset", ["greek", "digits", "smooth"])
def test_a_cell_is_the_record_s(study, metric, dataset):
    records, plain = study

    table = contents.metric_table(records, metric)

    expected = plain["mini_l", dataset]["methods"]["mahalanobis"][metric]
    assert cell(table, "mahalanobis", dataset) == written(expected)


def test_the_mean_column_is_the_mean_of_the_sets(study):
    """Of the two OOD sets, without the crafted one."""
    records, plain = study
    values = [plain["mini_l", d]["methods"]["knn_1"]["auroc"]["value"] for d in ("greek", "digits")]

    table = contents.headline_table(records)

    assert cell(table, "knn_1", "mean").split()[0] == f"{100 * sum(values) / 2:.1f}"
    assert [row[0] for row in table.rows] == ["mcm", "knn_1"]
    assert "each of the 2 OOD sets once, without the crafted smooth" in table.note


def test_a_mean_over_some_of_the_sets_names_them_wherever_it_stands(study):
    """What else is evaluated stands in its own column, and the metrics have another key."""
    records, _ = study
    scope = dataclasses.replace(records.scope, means={"overall": ("digits",), "near": ("greek",)})
    records = dataclasses.replace(records, scope=scope)
    counted = "The mean counts 1 of 2 OOD sets: digits."

    tables = [contents.headline_table(records), contents.metric_table(records, "fpr95")]

    for table in tables:
        assert table.header == ("method", "mean", "mean near", "greek", "digits", "smooth")
        assert counted in table.note
    backbones = contents.backbones_table(records)
    assert backbones.title == "Mean AUROC over 1 of 2 OOD sets, every backbone"
    assert backbones.note.endswith(counted)
    assert [row[1] for row in sets_table(records).rows] == [
        "ID train: the bank",
        "ID test",
        "OOD near",
        "OOD mean",
        "OOD crafted",
    ]
    assert {"mean", "mean_near"} <= set(headline_metrics(records))


def test_figures_say_what_their_mean_is_over(study):
    records, _ = study
    scope = dataclasses.replace(records.scope, means={"overall": ("digits",)})

    def texts(figure):
        axes = figure.axes[0]
        return axes.get_xlabel(), axes.get_title(loc="left")

    some = dataclasses.replace(records, scope=scope)
    for found, over, each in (
        (records, "the OOD sets", "every OOD set"),
        (some, "1 of 2 OOD sets", "each of these sets"),
    ):
        xlabel, title = texts(mean_figure(found))
        assert (over in xlabel, title) == (True, f"every method, {each} counted once")
        assert over in texts(backbones_figure(found))[0]
        assert texts(accuracy_figure(found))[1] == (
            "mean" if found is records else f"mean ({over})"
        )


def test_a_mean_has_one_name_wherever_it_stands(study):
    """Tables, heat map and metrics: ``mean`` and ``mean near``, never all or overall."""
    records, _ = study
    scope = dataclasses.replace(records.scope, means={"near": ("greek",)})
    records = dataclasses.replace(records, scope=scope)

    columns = [label.get_text() for label in sets_figure(records).axes[0].get_xticklabels()]

    assert columns[:2] == ["mean", "mean near"]
    assert contents.headline_table(records).header[1:3] == ("mean", "mean near")
    assert [*headline_metrics(records)][-2:] == ["mean", "mean_near"]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_has_its_own_column(study, backbone):
    records, _ = study
    value, _, _ = records.mean(backbone, "mean", "knn_1", "auroc")

    assert cell(contents.backbones_table(records), "knn_1", backbone).startswith(
        f"{100 * value:.1f} "
    )


def test_accuracies_stand_in_their_backbone_s_row(study):
    records, _ = study
    table = contents.accuracy_table(records)

    for backbone in BACKBONES:
        value, _, _ = records.accuracy(backbone, "knn_20")
        assert cell(table, backbone, "knn_20").startswith(f"{100 * value:.1f} ")
    assert cell(table, "plain", "zero_shot") == "n/a"


def test_shares_of_a_class_have_intervals_of_the_level_of_the_records(study):
    records, plain = study
    evaluations = copy.deepcopy(records.evaluations)
    for record in evaluations["mini_l"].values():
        record["level"] = 0.9
    table = classes_table(dataclasses.replace(records, evaluations=evaluations))
    hardest = next(row for row in table.rows if row[0] == "greek")
    record = plain["mini_l", "greek"]["classes"]["mcm"][hardest[1]]

    low, high = wilson_interval(round(record["n"] * record["fpr95"]), record["n"], level=0.9)

    assert hardest[-1] == percent(record["fpr95"], low, high)


def test_a_warning_of_several_duplicate_reports_cites_the_first_that_has_it(study):
    """The bank is compared in each of them, and the first draws the pair."""
    records, _ = study
    drawn = {"greek in greek": {"pairs": [{"image": "a.png", "other": "b.png"}]}}
    report = {"sets": {"greek": {}}, "warnings": ["3 images shared"], "overlaps": drawn}
    reports = {"greek": report, "digits": report | {"overlaps": {"greek in greek": {"pairs": []}}}}

    found = background.notes(dataclasses.replace(records, duplicates=reports))

    assert [note for note in found if "shared" in note] == [
        "Duplicates: 3 images shared (reports/duplicates/greek.png)"
    ]


def test_what_does_not_apply_has_its_reason(study):
    records, _ = study

    (row,) = background.not_applicable_table(records).rows

    assert row[0] == "plain"
    assert row[1] == "backbone 'plain' has no text tower"
    assert set(row[2].split(", ")) >= {"mcm", "plp_msp", "zero_shot accuracy"}


def test_sets_and_their_sizes(study):
    records, _ = study

    assert sets_table(records).rows == (
        ("capitals_train", "ID train: the bank", "2600"),
        ("capitals_test", "ID test", "104"),
        ("greek", "OOD", "40"),
        ("digits", "OOD", "41"),
        ("smooth", "OOD crafted", "42"),
    )


def test_pairs_of_methods_stand_with_both_p_values(study):
    records, _ = study

    table = comparisons_table(records)

    assert table.rows == (
        ("plp_msp minus mcm", "mean", "+3.4 (+2.0 to +5.1)", "", "", "-10.0 (-12.0 to -8.0)"),
        *(
            (
                "plp_msp minus mcm",
                dataset,
                "+3.4 (+2.0 to +5.1)",
                "< 0.001",
                "0.042",
                "-10.0 (-12.0 to -8.0)",
            )
            for dataset in ("greek", "digits")
        ),
    )
    assert "with 95 % intervals" in table.note


def test_a_backbone_without_pairs_has_no_section(study):
    records, _ = study
    plain = dataclasses.replace(records.scope, backbone="plain")

    names = [section.name for section in sections(records, figures={})]
    without = sections(dataclasses.replace(records, scope=plain), figures={})

    assert names[4:6] == ["fpr95", "comparisons"]
    assert "comparisons" not in [section.name for section in without]
