"""The transfer table: crafted sets by surrogate, one column a backbone."""

import json

import pytest
from report_world import write_world

from pipeline.findings.study_params import StudyParams
from pipeline.report.attacks import attack_table, transfer_table
from pipeline.report.read import read_records
from pipeline.report.records import ReportScope

BACKBONES = ("mini_s", "mini_m", "mini_l", "plain")
SURROGATES = {"smooth": "mini_m", "patchy": "mini_l", "small": "elsewhere"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three crafted sets, each with a surrogate of its own; one is not among the backbones."""
    root = tmp_path_factory.mktemp("study")
    crafted = tuple(SURROGATES)
    write_world(root, backbones=BACKBONES, sets=("greek",), crafted=crafted, means={})
    found = {}
    for backbone in BACKBONES:
        for dataset, surrogate in SURROGATES.items():
            path = root / "reports/adversarial" / backbone / f"{dataset}.json"
            record = json.loads(path.read_text(encoding="utf-8")) | {"surrogate": surrogate}
            path.write_text(json.dumps(record), encoding="utf-8")
            found[dataset, backbone] = record["methods"]["knn_1"]["auroc"]
    scope = ReportScope(
        backbone="mini_s",
        backbones=BACKBONES,
        benchmark="glyphs",
        id_test="capitals_test",
        ood=("greek",),
        crafted=dict.fromkeys(crafted, "greek"),
        means={},
        study=StudyParams(family=[], clip=list(BACKBONES[:3])),
        headline_methods=("knn_1",),
    )
    return read_records(root / "reports", scope), found


@pytest.fixture(scope="module")
def study(world):
    return transfer_table(world[0]), world[1]


def test_cosines_to_the_target_are_said_to_be_the_surrogate_s(world):
    """The table is of mini_s, which the images were not crafted on."""
    table = attack_table(world[0], "patchy")

    assert table.title == "patchy: greek crafted on mini_l, scored by mini_s"
    assert "cosine to the target's features, as mini_l sees both, 0.970, PSNR" in table.note


def test_a_row_is_a_crafted_set_with_its_own_surrogate(study):
    table, _ = study

    assert [row[0] for row in table.rows] == [
        f"{dataset}, on {surrogate}" for dataset, surrogate in SURROGATES.items()
    ]
    assert table.header[1:] == BACKBONES


def test_a_cell_is_clean_and_crafted_with_the_interval_and_the_surrogate_s_own_is_marked(study):
    table, found = study

    for row, (dataset, surrogate) in zip(table.rows, SURROGATES.items(), strict=True):
        for backbone, cell in zip(BACKBONES, row[1:], strict=True):
            auroc = found[dataset, backbone]
            expected = f"{100 * auroc['clean']:.1f} → {100 * auroc['crafted']:.1f}"
            change = "({low:+.1f} to {high:+.1f})".format(
                low=100 * auroc["low"], high=100 * auroc["high"]
            )
            mark = "*" if backbone == surrogate else ""
            assert cell == f"{expected}{mark} {change}"
    assert "".join(cell for row in table.rows for cell in row).count("*") == 2
