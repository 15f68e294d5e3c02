"""Parameters of methods are refused by name, type and range before anything expensive runs."""

import numpy as np
import pytest

from pipeline.scores import SCORES, check_methods
from pipeline.scores.parameters import checked_parameters


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
