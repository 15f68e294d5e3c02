"""An attack depends on the heads, text or features that its target is made of, and on no others."""

import typing

import pytest
import yaml

from pipeline.attacks.spec import CraftSpec
from pipeline.code_closure import ROOT
from pipeline.composition import composed

CRAFT = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["craft"]
BANK = "capitals_train"
STORE = f"data/features/mini_s/{BANK}.zarr"
NEEDS = {
    "random": ("", f"data/index/{BANK}.parquet"),
    "class_text": ("--text ", "data/text/mini_s.zarr"),
    "probe": ("--heads ", "data/heads/mini_s"),
    "nearest": ("--bank-store ", STORE),
    "class_mean": ("--bank-store ", STORE),
}


def test_training_other_heads_crafts_nothing_anew():
    """The target of the paper is an image: all of these used to run the attack again."""
    deps = [dep.split("/")[1] for dep in CRAFT["do"]["deps"] if dep.startswith("data/")]

    assert set(deps) == {"code", "index", "weights"}
    assert "${item.needs}" in CRAFT["do"]["deps"]
    assert CRAFT["do"]["cmd"].rstrip().endswith("${item.option}")


@pytest.mark.parametrize("target", NEEDS)
def test_each_target_has_what_it_is_made_of(target, monkeypatch):
    monkeypatch.chdir(ROOT)
    own = ["+datasets.smooth.surrogate=mini_s", f"+datasets.smooth.target={target}"]
    params = composed(own)
    flag, needs = NEEDS[target]

    assert params["matrix"]["surrogates"]["smooth"] == {
        "backbone": "mini_s",
        "option": f"{flag}{needs}" if flag else "",
        "needs": needs,
    }
    assert params["matrix"]["surrogates"]["patchy"]["backbone"] == "mini_m"


def test_the_defaults_of_all_attacks_count(monkeypatch):
    monkeypatch.chdir(ROOT)
    items = composed(["craft.defaults.target=probe"])["matrix"]["surrogates"]
    assert {item["option"] for item in items.values()} == {"--heads data/heads/mini_m"}


def test_every_target_is_among_them():
    hints = typing.get_type_hints(CraftSpec)
    assert set(typing.get_args(hints["target"])) == set(NEEDS)
