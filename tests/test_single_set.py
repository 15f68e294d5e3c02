"""One OOD set: there is no mean beside it, so its own column shows the interval."""

import re

from report_world import made_up_records

from pipeline.findings.study_params import StudyParams
from pipeline.report import contents


def test_the_headline_of_one_set_has_intervals(tmp_path):
    records = made_up_records(
        tmp_path,
        backbone="mini_l",
        backbones=("mini_l", "plain"),
        sets=("greek",),
        benchmark="mine",
        study=StudyParams(family=[], clip=["mini_l"]),
        headline_methods=("mcm", "knn_1"),
    )
    table = contents.headline_table(records)

    assert table.header == ("method", "greek")
    assert all(re.fullmatch(r"\d+\.\d \(\d+\.\d–\d+\.\d\)", row[1]) for row in table.rows)
