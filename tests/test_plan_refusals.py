"""The plan says what the run would stop at, in the run's own words."""

import pytest

from pipeline.code_closure import ROOT
from pipeline.composition import composed
from pipeline.planning.counts import ImageCounts
from pipeline.planning.refusals import refusals
from stages import plan
from stages.check_params import run as check_params

COUNTS = ImageCounts({"train": 50, "greek": 5, "smooth": 6}, frozenset())
CRAFTED = {"datasets": {"smooth": {"source": "craft", "ood": "greek"}, "train": "/train"}}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_an_entry_that_the_run_refuses_is_told_by_the_plan_too():
    """It used to be planned as a backbone that needs nothing."""
    entry = "{loader: open_clip, name: tiny, model_cfg: {embed_dim: 8}, random_weights: true}"
    params = composed([f"+models.tiny={entry}", "backbone=tiny"])

    with pytest.raises(ValueError, match="model_cfg") as raised:
        check_params(params)

    lines = plan.run(params, {"assumed_tflops": 1, "passes_of_a_step": 3, "costs": {}}, {})
    at = lines.index("what stops the run:")
    assert lines[at + 1] == f"  {raised.value}"


def test_the_parameters_as_they_are_shipped_stop_nothing():
    params = composed([])
    counts = ImageCounts(dict.fromkeys(params["datasets"], 1000), frozenset())

    assert refusals(params, counts) == []


def test_more_pairs_than_images_are_told_before_anything_is_extracted(monkeypatch):
    """The stage craft used to say so, hours later, and not which parameter it was."""
    monkeypatch.setattr("pipeline.planning.refusals.check_every", lambda params: params)

    [told] = refusals(CRAFTED, COUNTS)
    assert told.startswith("smooth: 'pairs' must be at most 5, the images of greek, ")
    assert told.endswith("got 6; set craft.defaults.pairs=5, or 'pairs' of the crafted set")
    for images, estimated in (({"greek": 6}, []), ({"greek": None}, []), ({}, ["greek"])):
        counts = ImageCounts({**COUNTS.images, **images}, frozenset(estimated))
        assert refusals(CRAFTED, counts) == []
