"""Heads of several seeds are told side by side."""

import numpy as np
import pytest
from report_world import METHODS, made_up_records

from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_scope import MEAN
from pipeline.report.document import sections
from pipeline.report.seed_spread import seed_families, seeds_table

SETS = ("greek", "digits")


def test_a_family_is_a_method_and_its_seeds():
    methods = ("plp_msp", "plp_msp_seed43", "plp_msp_seed7", "mcm", "lp_msp_seed43", "knn_1")

    assert seed_families(methods) == {"plp_msp": ["plp_msp", "plp_msp_seed43", "plp_msp_seed7"]}


def records_of(root, methods):
    return made_up_records(
        root,
        backbone="mini_l",
        backbones=("mini_l", "plain"),
        sets=SETS,
        methods=methods,
        study=StudyParams(family=[], clip=["mini_l"]),
        headline_methods=("mcm",),
    )


def test_the_spread_is_that_of_the_means(tmp_path):
    records = records_of(tmp_path, (*METHODS, "lp_msp_seed43", "lp_msp_seed44"))
    names = ("lp_msp", "lp_msp_seed43", "lp_msp_seed44")
    means = 100 * np.array([records.mean("mini_l", MEAN, n, "auroc")[0] for n in names])

    [row] = seeds_table(records).rows

    assert row[:2] == ("lp_msp", "3")
    assert np.ptp(means) > 0.1
    expected = [means.mean(), means.std(ddof=1), means.min(), means.max()]
    assert [float(cell) for cell in row[2:]] == pytest.approx(expected, abs=0.051)
    titles = [table.title for section in sections(records, figures={}) for table in section.tables]
    assert "Spread over training seeds, mini_l" in titles


def test_without_further_seeds_there_is_no_such_table(tmp_path):
    records = records_of(tmp_path, METHODS)

    assert seeds_table(records).rows == ()
    titles = [table.title for section in sections(records, figures={}) for table in section.tables]
    assert "Spread over training seeds, mini_l" not in titles
