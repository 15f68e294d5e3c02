"""Parameters of methods are refused by name, type and range before anything expensive runs."""

import json
import re

import numpy as np
import pytest

from pipeline.code_closure import ROOT
from pipeline.detectors.query import Query
from pipeline.scores import SCORES, check_methods, compute, method_settings
from pipeline.scores.parameters import checked_parameters


def three_images():
    """A query that a score of its own needs no detector for."""
    query = Query.__new__(Query)
    query.features = np.zeros((3, 2), np.float32)
    return query


def checked(score, **parameters):
    return checked_parameters("a", {"score": score} | parameters, SCORES[score])


@pytest.mark.parametrize(
    ("score", "key", "value", "allowed"),
    [
        ("knn", "balanced", "false", "bool"),
        ("knn", "balanced", 0, "bool"),
        ("knn", "k", True, r"int or list\[int\]"),
        ("knn", "k", "5", r"int or list\[int\]"),
        ("knn", "k", 1.5, r"int or list\[int\]"),
        ("knn", "k", None, r"int or list\[int\]"),
        ("knn", "alpha", "0.5", "float"),
        ("knn", "seed", 1.0, "int"),
        ("knn", "engine", "gpu", "one of auto, blocks, faiss, ivf, hnsw"),
        ("nnguide", "k", [1, 2], "int"),
        ("mcm", "temperature", "0.01", "float"),
        ("mcm", "temperature", None, "float"),
        ("mcm", "temperature", True, "float"),
        ("gen", "gamma", "0.1", "float"),
        ("gen", "largest", 1.5, "int"),
        ("neglabel", "groups", "10", "int"),
        ("msp", "head", ["plp"], "str"),
        ("fused", "heads", "plp", "a list"),
        ("mahalanobis", "gaussians", 3, "str"),
    ],
)
def test_a_value_of_another_type_is_refused(score, key, value, allowed):
    head = {"head": "plp"} if score in ("nnguide", "gen") else {}
    with pytest.raises(ValueError, match=rf"'methods\.a\.{key}' must be {allowed}, got"):
        checked(score, **(head | {key: value}))


@pytest.mark.parametrize(
    ("score", "key", "value", "allowed"),
    [
        ("knn", "k", 0, "at least 1"),
        ("knn", "alpha", 0.0, r"in \(0, 1\]"),
        ("knn", "alpha", 1.5, r"in \(0, 1\]"),
        ("knn", "seed", -1, "at least 0"),
        ("nnguide", "k", 0, "at least 1"),
        ("mcm", "temperature", 0, "positive and finite"),
        ("mcm", "temperature", np.inf, "positive and finite"),
        ("mcm", "temperature", np.nan, "positive and finite"),
        ("neglabel", "groups", 0, "at least 1"),
        ("gen", "gamma", 1.0, r"in \(0, 1\)"),
        ("gen", "largest", 0, "at least 1"),
        ("react", "temperature", -1.0, "positive and finite"),
        ("energy", "temperature", -1.0, "positive and finite"),
    ],
)
def test_a_value_out_of_range_is_refused(score, key, value, allowed):
    head = {"head": "plp"} if score in ("nnguide", "gen", "react", "energy") else {}
    with pytest.raises(ValueError, match=rf"'methods\.a\.{key}' must be {allowed}, got"):
        checked(score, **(head | {key: value}))


def test_lists_name_their_bad_item():
    with pytest.raises(ValueError, match=r"'methods\.a\.k\[1\]' must be int, got '5'"):
        checked("knn", k=[1, "5"])
    with pytest.raises(ValueError, match=r"'methods\.a\.k\[1\]' must be at least 1, got 0"):
        checked("knn", k=[1, 0])
    with pytest.raises(ValueError, match=r"'methods\.a\.heads\[0\]' must be str, got 1"):
        checked("fused", heads=[1])


@pytest.mark.parametrize(("score", "key", "one"), [("knn", "k", 3), ("fused", "heads", "plp")])
def test_empty_lists_and_values_named_twice_are_refused(score, key, one):
    with pytest.raises(ValueError, match=rf"methods\.a\.{key}' must hold at least one value"):
        checked(score, **{key: []})
    with pytest.raises(ValueError, match=rf"methods\.a\.{key}' must hold each value once"):
        checked(score, **{key: [one, one]})


def test_an_integer_passes_as_a_number_and_a_list_as_heads():
    assert checked("mcm", temperature=1) == {"temperature": 1.0}
    assert isinstance(checked("mcm", temperature=1)["temperature"], float)
    assert checked("knn", k=[1, 10], balanced=True) == {"k": [1, 10], "balanced": True}
    assert checked("fused", heads=["plp", "lp"]) == {"heads": ("plp", "lp")}


def test_methods_that_share_a_column_are_refused():
    """A list of k gives one column for each k, named like a method could be."""
    table = {"knn": {"score": "knn", "k": [1, 5]}, "knn_1": {"score": "mcm"}}
    with pytest.raises(
        ValueError, match=r"methods\.knn and methods\.knn_1 both write the column 'knn_1'; rename"
    ):
        check_methods(table)
    check_methods({"knn": {"score": "knn", "k": [2, 5]}, "knn_1": {"score": "mcm"}})


@pytest.mark.parametrize("name", [True, 1, None, ""])
def test_a_name_that_yaml_reads_as_something_else_is_refused(name):
    with pytest.raises(ValueError, match="a method's name must be a text, got"):
        check_methods({name: {"score": "mcm"}})


def test_a_score_that_is_no_name_is_refused():
    with pytest.raises(ValueError, match=r"unknown score '\['mcm'\]' in methods\.a; known: energy"):
        check_methods({"a": {"score": ["mcm"]}})


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (np.zeros((3, 2)), r"an array of float64 of shape \(3, 2\) for mine"),
        (np.zeros((3, 1)), r"an array of float64 of shape \(3, 1\) for mine"),
        (np.zeros(2), r"an array of float64 of shape \(2,\) for mine"),
        (np.zeros(3, bool), r"an array of bool of shape \(3,\) for mine"),
        (np.array(["a", "b", "c"]), r"an array of <U1 of shape \(3,\) for mine"),
        (None, "None for mine"),
        (0.5, "a float for mine"),
        ([0.1, 0.2, 0.3], "a list for mine"),
    ],
)
def test_a_score_that_returns_no_number_a_row_is_named(monkeypatch, returned, told):
    def score(query):
        return returned

    monkeypatch.setitem(SCORES, "own", score)
    message = rf"the score 'own' must .* shape \(3,\), got .*{told}; mend what .*\.score returns"
    with pytest.raises(ValueError, match=message):
        compute(three_images(), "mine", {"score": "own"})


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (np.zeros(3), "for mine_1, mine_5, got mine; mend"),
        ({1: np.zeros(3)}, "for mine_1, mine_5, got mine_1; mend"),
        ({"a": np.zeros(3), "b": np.zeros(3)}, "for mine_1, mine_5, got mine_a, mine_b; mend"),
        ({}, "for mine_1, mine_5, got none; mend"),
        ({1: np.zeros(3), 5: np.zeros(2)}, r"shape \(2,\) for mine_5"),
    ],
)
def test_a_list_of_k_gives_a_column_for_each(monkeypatch, returned, told):
    """The tables' settings are told by these names; columns of others would have none."""

    def score(query, *, k: int | list[int] = 1):
        return returned

    monkeypatch.setitem(SCORES, "own", score)
    with pytest.raises(ValueError, match=rf"the score 'own' must .*{told}"):
        compute(three_images(), "mine", {"score": "own", "k": [1, 5]})


def test_without_a_list_of_k_a_score_gives_one_column(monkeypatch):
    monkeypatch.setitem(SCORES, "own", lambda query: {"a": np.zeros(3), "b": np.zeros(3)})
    with pytest.raises(ValueError, match=r"one array elsewhere, here for mine, got mine_a, mine_b"):
        compute(three_images(), "mine", {"score": "own"})


def test_columns_of_a_list_of_k_may_come_in_any_order(monkeypatch):
    def score(query, *, k: int | list[int] = 1):
        return {5: np.ones(3), 1: np.zeros(3)}

    monkeypatch.setitem(SCORES, "own", score)
    columns = compute(three_images(), "mine", {"score": "own", "k": [1, 5]})
    assert columns["mine_5"].tolist() == [1, 1, 1]


def test_a_score_may_return_what_is_not_finite_or_a_whole_number(monkeypatch):
    """Which image has no finite score is told where scores are ranked."""
    for returned in (np.array([np.nan, 1, np.inf]), np.arange(3), np.zeros(3, np.float16)):
        monkeypatch.setitem(SCORES, "own", lambda query, result=returned: result)
        assert compute(three_images(), "mine", {"score": "own"})["mine"] is returned


def test_settings_of_a_method_name_every_parameter_defaults_included():
    """A list of k is a method for each; what a score takes by default is a setting too."""
    found = method_settings({"near": {"score": "knn", "k": [1, 5]}, "mcm": {"score": "mcm"}})

    assert found["near_5"] == {
        "score": "knn", "k": 5, "alpha": 1.0, "balanced": False, "seed": 0, "engine": "auto"
    }  # fmt: skip
    assert found["near_1"]["k"] == 1
    assert list(found) == ["near_1", "near_5", "mcm"]
    assert found["mcm"]["temperature"] == 1.0
    assert json.loads(json.dumps(found)) == found


def test_a_score_is_one_file_and_one_line():
    """The line of the import is all that `pipeline/scores/__init__.py` says of a page."""
    folder = ROOT / "pipeline/scores"
    pages = [page for page in folder.glob("*.py") if "\ndef score(" in page.read_text("utf-8")]
    lines = (folder / "__init__.py").read_text("utf-8").splitlines()

    assert sorted(page.stem for page in pages) == list(SCORES)
    for page in pages:
        assert sum(re.search(rf"\b{page.stem}\b", line) is not None for line in lines) == 1
