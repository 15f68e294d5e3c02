"""A misspelt parameter stops before hours of extraction, not after them."""

import copy
import dataclasses
import json
import sys

import pytest
import yaml

from pipeline.code_closure import ROOT
from pipeline.extraction.extract_params import ExtractParams
from pipeline.param_checks.sections import Params
from pipeline.params import load_params
from stages import check_params
from stages.check_params import run

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SECTIONS = [
    field.name
    for field in dataclasses.fields(Params)
    if isinstance(field.type, type) and dataclasses.is_dataclass(field.type)
]


def changed(path: str, value: object) -> dict:
    params = copy.deepcopy(PARAMS)
    *folders, last = path.split(".")
    node = params
    for key in folders:
        node = node[key]
    node[last] = value
    return params


def only(table: dict, column: str) -> dict:
    """Parameters of these methods alone, one of which makes the column that is shown."""
    params = changed("methods", table)
    params["report"] |= {"headline_methods": [column], "roc_method": column}
    params["evaluate"]["compare"] = []
    return params


def test_the_table_of_methods_keeps_its_order_and_values():
    table = {"zz": {"score": "mcm", "temperature": 1.0}, "aa": {"score": "knn", "k": [1, 10]}}

    texts = run(only(table, "zz"))

    assert list(json.loads(texts["methods"]).items()) == list(table.items())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"mcm": {"score": "mcmm"}}, "unknown score 'mcmm' in methods.mcm; known: energy"),
        ({"knn": {"score": "knn", "kk": 1}}, "unknown parameter 'methods.knn.kk' of score 'knn'"),
        ({"msp": {"score": "msp"}}, "missing parameter 'methods.msp.head'"),
        ({}, "at least one method"),
        (None, "'methods' must be a mapping, got null; give"),
    ],
)
def test_a_bad_table_is_refused(table, message):
    with pytest.raises(ValueError, match=message):
        run(changed("methods", table))


@pytest.mark.parametrize("section", SECTIONS)
def test_a_misspelt_parameter_of_any_checked_section_is_named(section):
    with pytest.raises(ValueError, match=rf"unknown parameter '{section}\.misspelt'; known: "):
        run(changed(f"{section}.misspelt", 1))


def test_the_stage_writes_sections_that_stages_load(tmp_path, monkeypatch):
    text = yaml.safe_dump(changed("extract.batch_size", 7), sort_keys=False)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["check_params", "e.json", "x.json", "m.json", "t.json"])
    check_params.main()

    assert load_params("extract", ExtractParams, path=tmp_path / "x.json").batch_size == 7
    assert json.loads((tmp_path / "e.json").read_text())["evaluate"] == PARAMS["evaluate"]

    wrong = yaml.safe_dump(changed("fit.misspelt", 1), sort_keys=False)
    (tmp_path / "params.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^unknown parameter 'fit\.misspelt'; known: "):
        check_params.main()


def test_an_edited_list_changes_what_text_towers_read_and_nothing_else(tmp_path):
    mine = tmp_path / "prompts.txt"
    mine.write_text("a photo of a {c}.\n")
    params = changed("text.prompts", str(mine))
    with pytest.raises(ValueError, match=r"matrix\.lists\.prompts must be '.*prompts\.txt', "):
        run(params)
    params["matrix"]["lists"]["prompts"] = str(mine)
    first = run(params)
    assert run(params) == first

    mine.write_text("a drawing of a {c}.\n")

    second = run(params)
    assert {name for name in first if first[name] != second[name]} == {"text"}
    mine.write_text("a drawing\n")
    with pytest.raises(ValueError, match="line 1 of prompt file"):
        run(params)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("fixed_sets", ["greek"], "fixed_sets names the unknown 'greek'; known: none"),
        ("fixed_sets", "every", "'fixed_sets' must be one of all, got 'every'"),
        ("matrix.in_place", ["datasets"], "in_place must have an item if matrix.indexed has"),
    ],
)
def test_sets_that_are_looked_at_are_sets_in_place(path, value, message):
    with pytest.raises(ValueError, match=message):
        run(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("knn_balanced.balanced", "false", "'methods.knn_balanced.balanced' must be bool, got 'f"),
        ("knn.k", [], "'methods.knn.k' must hold at least one value"),
        ("mcm.temperature", None, "'methods.mcm.temperature' must be float, got null; give"),
        ("knn_1", {"score": "mcm"}, "methods.knn and methods.knn_1 both write the column 'knn_1'"),
    ],
)
def test_a_wrong_value_of_a_method_stops_before_extraction(path, value, message):
    with pytest.raises(ValueError, match=message):
        run(changed(f"methods.{path}", value))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"score": "msp", "head": "plpp"},
            "methods.a names the head 'plpp', .* known: zero_shot",
        ),
        ({"score": "fused", "heads": ["plp", "lpp"]}, "methods.a names the head 'lpp'"),
        (
            {"score": "mahalanobis", "gaussians": "label"},
            "a.gaussians names 'label', which fit.ga",
        ),
        (
            {"score": "residual", "space": "pca"},
            "a.space names 'pca', which fit.residuals does",
        ),
        (
            {"score": "vim", "head": "ft"},
            "a.head names 'ft', which .* known: mean, plp, lp",
        ),
        ({"score": "nnguide", "head": "ft"}, "'ft', which fit.head_statistics .* plp, lp; add it"),
        ({"score": "kl_matching", "head": "few_shot"}, "'few_shot', which fit.head_statistics"),
    ],
)
def test_a_name_that_nothing_trains_or_fits_stops_before_extraction(entry, message):
    with pytest.raises(ValueError, match=message):
        run(changed("methods", {"a": entry}))


def test_a_default_name_that_is_not_fitted_is_found_too():
    params = changed("methods", {"a": {"score": "mahalanobis"}})
    del params["fit"]["gaussians"]["labels"]
    with pytest.raises(ValueError, match="methods.a.gaussians names 'labels', which fit.gaussians"):
        run(params)


def test_what_is_fitted_can_be_named_by_a_method():
    params = only({"a": {"score": "kl_matching", "head": "zero_shot"}}, "a")
    with pytest.raises(ValueError, match="'zero_shot', which fit.head_statistics does not fit"):
        run(params)
    params["fit"]["head_statistics"] = ["zero_shot"]
    run(params)
    params["methods"] = {"a": {"score": "vim", "head": "zero_shot"}, "b": {"score": "mcm"}}
    run(params)
