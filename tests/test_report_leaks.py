"""Copies of test images in the bank stand beside the headline, wherever it is read."""

import dataclasses
from pathlib import Path

import pytest
from report_world import made_up_records

from pipeline.report.document import markdown_document, sections
from pipeline.report.html import html_page
from pipeline.report.leaks import leak_lines
from stages import report


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return made_up_records(
        tmp_path_factory.mktemp("study"),
        backbone="mini_l",
        backbones=("mini_l",),
        sets=("greek", "digits"),
        headline_methods=("knn_1",),
    )


def with_copies(records, **found):
    """Each named set has (exact, near) copies in the bank; copies elsewhere are no leak."""
    roles = {"capitals_train": "ID train", "capitals_test": "ID test"}
    report = {
        "threshold": 0.99,
        "sets": {
            name: {"role": roles.get(name, "OOD"), "images": 1040, "unreadable": 0}
            for name in (*roles, "greek", "digits")
        },
        "overlaps": {
            "capitals_train in capitals_train": {"exact": 4, "near": 9, "pairs": []},
            "digits in greek": {"exact": 2, "near": 2, "pairs": []},
            "digits in capitals_train": {"exact": None, "near": None, "pairs": []},
        }
        | {
            f"{name} in capitals_train": {"exact": exact, "near": near, "pairs": []}
            for name, (exact, near) in found.items()
        },
        "warnings": [],
    }
    return dataclasses.replace(records, duplicates={"greek": report, "digits": report})


def test_exact_and_near_copies_are_told_once_with_their_share(records):
    lines = leak_lines(with_copies(records, capitals_test=(3, 5), greek=(1, 1)))

    assert lines == (
        "Warning: images that stand in the bank too: 3 of 1,040 of capitals_test "
        "(ID test), 1 of 1,040 of greek (OOD). See Notes.",
        "Look-alikes in the bank (cosine of at least 0.99): 2 of 1,040 of capitals_test "
        "(ID test). See Notes.",
    )


def test_copies_within_the_bank_or_between_ood_sets_are_no_leak(records):
    assert leak_lines(with_copies(records)) == ()
    assert leak_lines(with_copies(records, greek=(0, 0))) == ()


def test_the_warning_stands_before_the_table_in_every_form(records):
    leaking = with_copies(records, greek=(1, 1))
    (warning,) = leak_lines(leaking)
    content = sections(leaking, figures={})

    document = markdown_document("t", "l", content, folder=Path())
    page = html_page("t", "l", content)

    for text, table in ((document, "### AUROC (%)"), (page, "<h3>AUROC (%)")):
        assert text.count(warning) == 1
        assert text.index("Result") < text.index(warning) < text.index(table)
    assert f"**{warning}**" in document


def test_look_alikes_stand_below_the_table(records):
    """They are common between photos of one kind, and no error: no warning above the result."""
    alike = with_copies(records, capitals_test=(0, 2))
    (line,) = leak_lines(alike)

    document = markdown_document("t", "l", sections(alike, figures={}), folder=Path())

    assert document.index("### AUROC (%)") < document.index(line) < document.index("end: headline")
    assert f"**{line}**" not in document


def test_what_is_printed_warns_too(records, tmp_path, monkeypatch):
    """`make repro` and the README show headline.txt; its lines fit a terminal."""
    leaking = with_copies(records, capitals_test=(3, 5), greek=(1, 1), digits=(400, 401))
    monkeypatch.setattr(report, "read_records", lambda *_, **__: leaking)
    monkeypatch.setattr(report, "FIGURES", {})
    params = report.ReportParams(headline_methods=["knn_1"])

    printed = report.run(tmp_path, leaking.scope, params)

    assert all(line in " ".join(printed.split()) for line in leak_lines(leaking))
    assert max(len(line) for line in printed.splitlines() if "Report:" not in line) <= 100
    assert printed.index("AUROC (%)") < printed.index("Warning: ") < printed.index("Report: ")
