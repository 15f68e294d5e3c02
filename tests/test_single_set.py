"""One OOD set: its mean is the set, so the two have one interval, and the headline shows it."""

import re

from report_world import write_world

from pipeline.findings.study_records import StudyScope, read_study
from pipeline.report import contents
from pipeline.report.read import read_records
from pipeline.report.records import Scope
from pipeline.statistics.bootstrap import percentile_interval

BACKBONES = ("mini_l", "plain")


def test_the_mean_over_one_set_has_the_set_s_interval(tmp_path):
    sets = ("greek", "digits")
    write_world(tmp_path, backbones=BACKBONES, sets=sets, crafted=(), means={"far": ("digits",)})
    scope = StudyScope(
        benchmark="glyphs",
        backbones=BACKBONES,
        id_test="capitals_test",
        ood=sets,
        means={"far": ("digits",)},
    )
    records = read_study(tmp_path / "reports", scope)
    own = records.evaluations["mini_l"]["digits"]["methods"]["knn_1"]["auroc"]

    mean = records.mean("mini_l", ("digits",), "knn_1")

    assert mean is not None
    assert (mean.value, mean.low, mean.high) == (own["value"], own["low"], own["high"])
    assert percentile_interval(mean.replicates) != (own["low"], own["high"])


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
