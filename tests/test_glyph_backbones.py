"""Who forgets to name a backbone for photos is told that the default one knows none."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.code_closure import ROOT
from pipeline.composition import composed
from pipeline.param_checks.glyph_backbones import glyph_backbones_warning
from stages import check_params, plan

PHOTOS = [
    "benchmark=folders",
    "datasets.id_train.path=/photos/train",
    "datasets.id_test.path=/photos/test",
    "+datasets={vehicles: /photos/vehicles}",
]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([*PHOTOS, "study=single"], "mini_l: pretrained here on"),
        (PHOTOS, "mini_s, mini_m, mini_l: pretrained here on"),
        ([*PHOTOS, "backbone=vit_b"], "mini_s, mini_m, mini_l: pretrained here on"),
        ([*PHOTOS, "study=single", "backbone=vit_b"], None),
        (["benchmark=cifar10", "study=clip10"], None),
        (["study=single"], None),
    ],
)
def test_small_backbones_are_for_glyphs(overrides, told):
    warning = glyph_backbones_warning(composed(overrides))
    assert (warning or "").startswith(told or "")
    assert (warning is None) == (told is None)


def test_the_check_and_the_plan_say_it(monkeypatch, tmp_path, capsys):
    params = composed([*PHOTOS, "study=single"])
    warning = glyph_backbones_warning(params)
    costs = yaml.safe_load(Path("conf/costs.yaml").read_text(encoding="utf-8"))
    assert f"warning: {warning}" in plan.run(params, costs, {})

    files = check_params.run(params)
    os.chdir(tmp_path)  # back with the fixture
    Path("params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setattr(sys, "argv", ["check_params", *files])
    check_params.main()
    assert capsys.readouterr().err == f"warning: {warning}\n"
