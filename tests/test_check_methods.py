"""A misspelt method stops before hours of extraction, not after them."""

import json

import pytest

from stages.check_methods import run


def test_the_table_keeps_its_order_and_values():
    table = {"zz": {"score": "mcm", "temperature": 1.0}, "aa": {"score": "knn", "k": [1, 10]}}

    assert list(json.loads(run(table)).items()) == list(table.items())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"mcm": {"score": "mcmm"}}, "unknown score 'mcmm' in methods.mcm; known: energy"),
        ({"knn": {"score": "knn", "kk": 1}}, "unknown parameter 'methods.knn.kk' of score 'knn'"),
        ({"msp": {"score": "msp"}}, "missing parameter 'methods.msp.head'"),
        ({}, "at least one method"),
        (None, "at least one method"),
    ],
)
def test_a_bad_table_is_refused(table, message):
    with pytest.raises(ValueError, match=message):
        run(table)
