"""One OOD set: there is no mean beside it, so its own column shows the interval."""

import re

from report_world import write_world

from pipeline.report import contents
from pipeline.report.read import read_records
from pipeline.report.records import Scope

BACKBONES = ("mini_l", "plain")


def test_the_headline_of_one_set_has_intervals(tmp_path):
    write_world(tmp_path, backbones=BACKBONES, sets=("greek",), crafted=(), means={})
    scope = Scope(
        backbone="mini_l",
        backbones=BACKBONES,
        benchmark="mine",
        id_test="capitals_test",
        ood=("greek",),
        crafted=(),
        means={},
        clip=("mini_l",),
        headline_methods=("mcm", "knn_1"),
    )
    table = contents.headline_table(read_records(tmp_path / "reports", scope))

    assert table.header == ("method", "greek")
    assert all(re.fullmatch(r"\d+\.\d \(\d+\.\d–\d+\.\d\)", row[1]) for row in table.rows)
