"""Parameters are loud: unknown, missing and mistyped values are named."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from pipeline.params import load_params, read_section


@dataclass(frozen=True)
class Inner:
    epsilon: float


@dataclass(frozen=True)
class Score:
    k: list[int]
    temperature: float = 1.0
    shrinkage: Literal["none", "oas"] = "none"
    budget: Inner | None = None
    names: dict[str, str] = field(default_factory=dict)
    verbose: bool = False


@pytest.fixture
def params(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_section_becomes_its_dataclass(params):
    path = params("score: {k: [1, 10], temperature: 2, budget: {epsilon: 1}, names: {a: b}}")

    score = load_params("score", Score, path=path)

    assert score == Score(k=[1, 10], temperature=2.0, budget=Inner(1.0), names={"a": "b"})
    assert isinstance(score.temperature, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("score: {k: [1], kk: 2}", r"unknown parameter 'score.kk'; known: budget, k, names"),
        ("score: {}", "missing parameter 'score.k'"),
        ("score: {k: 1}", r"'score.k' must be a list, got 1"),
        ("score: {k: [1.5]}", r"'score.k\[0\]' must be int, got 1.5"),
        ("score: {k: [1], shrinkage: ridge}", "'score.shrinkage' must be one of none, oas"),
        (
            "score: {k: [1], verbose: 'False'}",
            "'score.verbose' must be bool, got 'False'; write false, without quotes$",
        ),
        ("score: {k: [1], verbose: 'never'}", "'score.verbose' must be bool, got 'never'$"),
        (
            "score: {k: [1], temperature: '1e-3'}",
            "'score.temperature' must be float, got '1e-3'; write 0.001, without quotes$",
        ),
        ("score: {k: ['5']}", r"'score.k\[0\]' must be int, got '5'; write 5, without quotes$"),
        ("score: {k: [1], names: {a: no}}", "'score.names.a' must be str, got False; put it in q"),
        (
            "score: {k: [1], temperature: null}",
            "'score.temperature' must be float, got null; give a value, or leave it out for the d",
        ),
        ("score: {k: null}", "'score.k' must be a list, got null; give a value$"),
        (
            "score: {k: [1], names: null}",
            "'score.names' must be a mapping, got null; give a value, or leave it out",
        ),
        ("score: {k: [1], shrinkage: null}", "must be one of none, oas, got null; give a value"),
        ("score: {k: [null]}", r"'score.k\[0\]' must be int, got null; give a value$"),
        ("score: {k: [true]}", r"'score.k\[0\]' must be int, got True"),
        ("score: {k: [1], budget: {eps: 1}}", "unknown parameter 'score.budget.eps'"),
        ("score: 3", "section 'score' must be a mapping, got 3"),
    ],
)
def test_a_bad_value_is_named(params, text, message):
    with pytest.raises(ValueError, match=message):
        load_params("score", Score, path=params(text))


@pytest.mark.parametrize("text", ["1e-3", "+1E-03", "1.e-3", ".1e-2", "1.0e-3", "0.001"])
def test_a_power_of_ten_is_a_number_as_it_is_to_dvc(params, text):
    """YAML 1.1 takes 1e-3 for a text: DVC showed a number that a stage refused as none."""
    from dvc.utils.serialize import load_yaml as dvc_reads

    path = params(f"score: {{k: [1], temperature: {text}}}")

    assert load_params("score", Score, path=path).temperature == 0.001
    assert dvc_reads(path)["score"]["temperature"] == 0.001


@pytest.mark.parametrize("text", ["e-3", "1e", "1e-3x", "n1e-3"])
def test_a_name_with_an_e_is_a_text(params, text):
    score = load_params("score", Score, path=params(f"score: {{k: [1], names: {{a: {text}}}}}"))
    assert score.names == {"a": text}


def test_an_unknown_name_lists_the_known_ones(params):
    path = params("datasets: {greek: {source: glyphs}, digits: {source: glyphs}}")

    assert read_section("datasets.greek.source", path=path) == "glyphs"
    with pytest.raises(KeyError, match="unknown name 'grek' in section 'datasets'; known: digits"):
        read_section("datasets.grek", path=path)
