"""Claim c needs classifiers of the ID classes: who names others is told before anything runs."""

import pytest
import yaml

from pipeline.code_closure import ROOT
from pipeline.composition import composed
from pipeline.param_checks.finetuned_classifiers import finetuned_classifiers_warning
from stages import plan


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["benchmark=imagenet200", "study=clip_vs_finetuned"], "vit_h_ft (1,000) are of other"),
        (["benchmark=cifar100", "study=clip_vs_finetuned"], "than the 100 of 'cifar100_train'"),
        (["benchmark=imagenet1k", "study=clip_vs_finetuned"], None),
        (["benchmark=cifar10", "study=cifar_finetuned"], None),
        (["benchmark=cifar10", "study=clip10"], None),
        ([], None),
    ],
)
def test_classifiers_of_other_classes_are_named(overrides, told):
    warning = finetuned_classifiers_warning(composed(overrides))

    assert (told or "") in (warning or "")
    assert (warning is None) == (told is None)


def test_the_plan_says_it():
    params = composed(["benchmark=imagenet200", "study=clip_vs_finetuned"])
    costs = yaml.safe_load((ROOT / "conf/costs.yaml").read_text(encoding="utf-8"))

    assert f"warning: {finetuned_classifiers_warning(params)}" in plan.run(params, costs, {})
