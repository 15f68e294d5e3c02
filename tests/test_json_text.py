"""Records in git: sorted, rounded, diffable, and readable again."""

import json

import pytest

from pipeline.json_text import json_text, read_json, write_json


def test_scalars_stay_on_one_line_and_keys_are_sorted():
    value = {"b": {"high": 0.5, "low": 0.25}, "a": [1, 2, 3], "empty": {}}

    assert json_text(value) == (
        '{\n "a": [1, 2, 3],\n "b": {"high": 0.5, "low": 0.25},\n "empty": {}\n}\n'
    )


def test_digits_are_kept_where_they_mean_something():
    value = json.loads(json_text({"x": [1 / 3, -1234.56789, 7, -1e-9, True], "n": 1234567}))

    assert value == {"x": [0.333333, -1234.57, 7, 0.0, True], "n": 1234567}
    assert str(value["x"][3]) == "0.0"


def test_nan_is_refused_by_name():
    with pytest.raises(ValueError, match=r"the record.mcm.auroc must be a finite number, got nan"):
        json_text({"mcm": {"auroc": float("nan")}})


def test_round_trip(tmp_path):
    path = tmp_path / "sub" / "record.json"
    write_json(path, {"é": {"a": [0.5], "b": "text"}})

    assert read_json(path) == {"é": {"a": [0.5], "b": "text"}}
    assert list(path.parent.iterdir()) == [path]


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match="no record .*mini_s.json; run `dvc repro`"):
        read_json(tmp_path / "mini_s.json")
    (tmp_path / "half.json").write_text('{"a": ')
    with pytest.raises(ValueError, match="half.json is damaged"):
        read_json(tmp_path / "half.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ValueError, match="one JSON mapping, got list"):
        read_json(tmp_path / "list.json")
