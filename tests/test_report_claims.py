"""Claims a to e as a reader finds them: short, complete, and set by set where it matters."""

import dataclasses

import polars as pl
import pytest
from report_world import write_world

from pipeline.findings.study_params import StudyParams
from pipeline.findings.told_claims import not_measured
from pipeline.report.claims import claims_table, differences_table
from pipeline.report.document import sections
from pipeline.report.html import html_page
from pipeline.report.lines import lines_table
from pipeline.report.read import read_records
from pipeline.report.records import ReportScope

SETS = ("greek", "digits", "photo_patches")
MEANS = {"near": ("greek", "digits"), "far": ("photo_patches",)}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    write_world(root, backbones=("mini_s", "mini_l"), sets=SETS, crafted=(), means=MEANS)
    scope = ReportScope(
        backbone="mini_l",
        backbones=("mini_s", "mini_l"),
        benchmark="glyphs",
        id_test="capitals_test",
        ood=SETS,
        crafted={},
        means=MEANS,
        study=StudyParams(family=[], clip=["mini_s", "mini_l"]),
        headline_methods=("mcm", "knn_1"),
    )
    return read_records(root / "reports", scope)


def test_claims_keep_their_digits_and_join_their_interval(records):
    """The trailing zero of 0.970 is part of the number: the table is read as text."""
    first, *_, last = claims_table(records).rows

    assert first == (
        "a",
        "R² over CLIP",
        "≥ 0.92",
        "0.970",
        "0.900 to 0.990: Fisher",
        "3 backbones",
    )
    assert last[3:5] == ("not run: needs cifar100", "")


def test_differences_are_one_row_that_points_to_their_table(records):
    """However many backbones and means there are; what was not run says so in place."""
    rows = claims_table(records).rows

    assert [(row[0], row[3]) for row in rows[1:-1]] == [
        ("b", "next table"),
        ("c", "next table"),
        ("c", "not run: needs vit_h_ft among backbones"),
    ]


def test_every_mean_of_a_difference_has_its_column(records):
    table = differences_table(records)

    assert table.header[2:] == ("mean", "mean near", "mean far", "tests")
    assert table.rows == (
        (
            "b",
            "plp_msp minus mcm, mini_l",
            "+1.0 (-1.0 to +9.0)",
            "+2.0 (-1.0 to +9.0)",
            "+3.0 (-1.0 to +9.0)",
            "better on 1 of 3",
        ),
        (
            "c",
            "lp_msp of mini_s minus ft_msp of mini_s_ft",
            "-2.0 (-3.0 to -1.0)",
            "",
            "",
            "",
        ),
    )
    assert "mean: all 3 OOD sets; mean near: greek, digits; mean far: photo_patches." in table.note


def test_the_differences_name_the_sets_of_a_mean_that_leaves_some_out(records):
    means = {"overall": ("greek", "digits"), "far": ("photo_patches",)}
    scope = dataclasses.replace(records.scope, means=means)
    table = differences_table(dataclasses.replace(records, scope=scope))

    assert table.header[2:] == ("mean", "mean far", "tests")
    assert "mean: greek, digits; mean far: photo_patches." in table.note
    assert table.rows[0][-1] == "mean: better on 1 of 3; mean far: better on 3 of 3"


def test_only_the_means_that_claims_are_judged_over_have_a_column(records):
    """Without the mean over every set, each of the others has its own verdict."""
    judged = records.claims.filter(~pl.col("mean").eq_missing("mean"))
    both = differences_table(dataclasses.replace(records, claims=judged))
    one = records.claims.filter(~pl.col("mean").is_in(["mean", "mean_near"]))
    far = differences_table(dataclasses.replace(records, claims=one))

    assert both.header[2:] == ("mean near", "mean far", "tests")
    assert both.rows[0][-1] == "mean near: better on 2 of 3; mean far: better on 3 of 3"
    assert "first is better. mean near: greek, digits; mean far: photo_patches. Tests" in both.note
    assert far.header[2:] == ("mean far", "tests")
    assert far.rows[0][2:] == ("+3.0 (-1.0 to +9.0)", "better on 3 of 3")


def test_a_line_of_each_set_by_hand(records):
    table = lines_table(records)

    assert table.rows[0] == ("mean", "0.970", "+0.50", "0.900–0.980", "0.100–0.999", "4")
    assert table.rows[1] == ("mean near", "0.500", "-0.25", "0.400–0.600", "n/a", "3")
    assert table.rows[3] == ("greek", "n/a", "n/a", "n/a", "n/a", "n/a")
    assert "No line: greek needs knn_20 of mini_s; digits needs" in table.note


def test_lines_stand_in_the_report_and_not_among_the_claims(records):
    found = {part.name: part for part in sections(records, figures={})}
    page = html_page("t", "l", tuple(found.values()))

    assert "R² by set" in [table.title for table in found["accuracy"].tables]
    assert [table.title for table in found["claims"].tables] == [
        "Claims of the paper",
        "Claims b and c, by mean over OOD sets",
    ]
    assert "<h3>R² by set</h3>" in page
    assert '<td>+1.0 <span class="interval">(-1.0 to +9.0)</span></td>' in page


def test_the_note_tells_of_the_tests_of_the_claims_that_are_there(records):
    both = differences_table(records)
    only = records.claims.filter(pl.col("claim") == "b")
    alone = differences_table(dataclasses.replace(records, claims=only))

    assert both.title == "Claims b and c, by mean over OOD sets"
    assert "of claim b DeLong's; of claim c, which compares two models, a z test" in both.note
    assert alone.title == "Claim b, by mean over OOD sets"
    assert "claim c" not in alone.note


def test_without_lines_and_differences_there_are_no_such_tables(records):
    """The claims table says why: a study of one backbone has neither."""
    empty = records.lines.with_columns(r2=None, undefined=pl.lit("needs 3"))
    claims = records.claims.filter(pl.col("claim") == "e")
    found = sections(dataclasses.replace(records, lines=empty, claims=claims), figures={})
    titles = [table.title for part in found for table in part.tables]

    assert "R² by set" not in titles
    assert "Claims of the paper" in titles
    assert "Claims b and c, by mean over OOD sets" not in titles


def test_one_line_stands_for_what_images_other_than_the_papers_leave_open(records):
    """A user's own photos cannot answer claims on CIFAR and ImageNet; no rows need say so."""
    scope = dataclasses.replace(records.scope, benchmark="folders")
    only_e = records.claims.filter(pl.col("claim") == "e")
    own = dataclasses.replace(records, scope=scope)
    nothing = dataclasses.replace(own, claims=only_e)

    assert {row[0] for row in claims_table(own).rows} == {"a", "b", "c"}
    left_open = not_measured(own.claims, "folders")
    assert left_open.startswith("Not measured on folders: claim e of the paper")
    (claims,) = (part for part in sections(nothing, figures={}) if part.name == "claims")
    assert (claims.tables, len(claims.paragraphs)) == ((), 1)


def test_on_the_benchmarks_of_the_claims_each_has_its_row(records):
    """Also on glyphs, whose table stands in the README until others are run."""
    for benchmark in ("glyphs", "cifar10", "cifar100", "imagenet1k"):
        scope = dataclasses.replace(records.scope, benchmark=benchmark)
        found = dataclasses.replace(records, scope=scope)
        assert "e" in {row[0] for row in claims_table(found).rows}
        assert not_measured(found.claims, benchmark) == ""
