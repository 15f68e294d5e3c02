"""A page's declaration is what it uses, and what everyone else knows of a score, ours or not."""

import copy
import inspect
import re
from types import ModuleType

import numpy as np
import pytest
import yaml
from detector_world import World

from pipeline.code_closure import ROOT
from pipeline.detectors import search
from pipeline.detectors.fitting import FitParams
from pipeline.scores import NEEDS, SCORES, declared
from pipeline.scores.needs import FITTED, Needs
from stages import check_params, fit, score

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
USES = {
    "text": r"query\.(class_)?embeddings",
    "linear_head": r"query\.linear_head\(",
    "neighbours": r"query\.neighbours\(",
    "gaussians": r"\bfitted\(query, ",
    "residuals": r'part\("residuals"',
    "head_statistics": r'part\("(energies|posteriors)"',
}


@pytest.mark.parametrize("name", SCORES)
def test_a_page_declares_what_it_uses(name):
    text = (ROOT / f"pipeline/scores/{name}.py").read_text(encoding="utf-8")
    used = {need for need, pattern in USES.items() if re.search(pattern, text)}
    needs = NEEDS[name]
    declared = {key for key in ("text", "linear_head", "neighbours") if getattr(needs, key)}
    assert declared | set(needs.fitted.values()) == used

    parameters = set(inspect.signature(SCORES[name]).parameters)
    assert set(needs.fitted) <= parameters
    assert needs.neighbours is None or "k" in parameters


@pytest.mark.parametrize("told", [None, {"text": True}])
def test_a_page_that_declares_nothing_is_told_what_to_write(told):
    page = ModuleType("pipeline.scores.own")
    page.NEEDS = told
    with pytest.raises(ValueError, match=r"^pipeline\.scores\.own must declare .* NEEDS = Needs\("):
        declared(page)


def test_what_may_be_fitted_stands_in_section_fit():
    assert set(FITTED) <= set(vars(FitParams()))


@pytest.fixture
def own(monkeypatch):
    """Add a score of the user's own to the table."""

    def add(function, **needs):
        monkeypatch.setitem(SCORES, "own", function)
        monkeypatch.setitem(NEEDS, "own", Needs(**needs))

    return add


def second_nearest(query, *, k: int = 2, alpha: float = 1.0):
    found = query.neighbours(k, sample=search.Sample(alpha=alpha))
    return found.similarities[:, -1].astype(np.float64)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("world"))
    return made, fit.run(*made.fit_inputs, FitParams())


def scored(world, methods):
    made, detector = world
    return score.run(detector, made.folder / "bank.zarr", made.folder / "queries.zarr", methods)


def test_scores_of_the_nearest_share_a_search(world, own, monkeypatch):
    """30 is deeper than all others; three shards are searched once each, not once a score."""
    asked = []
    real = search.nearest_in_shards
    monkeypatch.setattr(
        search, "nearest_in_shards", lambda *a, k, **more: asked.append(k) or real(*a, k=k, **more)
    )
    table = {"mine": {"score": "own", "k": 30}, "knn": {"score": "knn", "k": 30}}
    own(second_nearest, neighbours="nearest")
    found = scored(world, table)
    assert asked == [30, 30, 30]
    np.testing.assert_array_equal(found.scores["mine"], found.scores["knn"])

    asked.clear()
    own(second_nearest, neighbours="guides")
    scored(world, {"mine": {"score": "own", "k": 30}})
    assert asked == [30, 20] * 3  # its own, and the vote of 20


def test_a_k_that_a_small_bank_has_not_is_an_error_or_not_applicable_as_declared(world, own):
    """Also of the sample that its own parameters draw, and at its default."""
    for entry, spare in (({"k": 91}, 90), ({"k": 46, "alpha": 0.5}, 45), ({"alpha": 0.01}, 1)):
        table = {"mine": {"score": "own"} | entry, "knn": {"score": "knn"}}
        own(second_nearest, neighbours="guides")
        found = scored(world, table)
        assert list(found.scores) == ["knn"]
        assert f"1 and the {spare} bank features" in found.not_applicable["mine"]

        own(second_nearest, neighbours="nearest")
        with pytest.raises(
            ValueError, match=rf"methods\.mine\.k must .* the {spare} bank features"
        ):
            scored(world, table)


def test_a_list_of_guides_is_scored_as_far_as_the_bank_has_them(world, own):
    def guided(query, *, k: int | list[int] = 2):
        return {one: second_nearest(query, k=one) for one in k}

    own(guided, neighbours="guides")
    found = scored(world, {"mine": {"score": "own", "k": [5, 91]}})
    assert list(found.scores) == ["mine_5"]
    assert list(found.not_applicable) == ["mine_91"]
    assert list(scored(world, {"mine": {"score": "own", "k": [91, 92]}}).not_applicable) == [
        "mine_91",
        "mine_92",
    ]


@pytest.mark.parametrize(
    ("needs", "entry", "refused"),
    [
        ({"text": True}, {}, True),
        ({}, {}, False),
        ({"fitted": {"classes": "gaussians"}}, {"classes": "pseudo_labels"}, True),
        ({"fitted": {"classes": "gaussians"}}, {}, False),
    ],
)
def test_a_score_of_text_draws_no_roc_where_the_headline_has_none(own, needs, entry, refused):
    def mine(query, *, classes: str = "labels"):
        return np.zeros(len(query.features))

    own(mine, **needs)
    params = copy.deepcopy(PARAMS) | {"backbone": "mini_s_ft"}
    params["methods"]["mine"] = {"score": "own"} | entry
    params["report"]["roc_method"] = "mine"
    if not refused:
        check_params.run(params)
        return
    with pytest.raises(ValueError, match="'mini_s_ft', which has no text tower; got 'mine'"):
        check_params.run(params)


@pytest.mark.parametrize("key", ["head", "heads"])
def test_a_head_that_is_never_trained_is_refused_also_where_it_is_the_default(own, key):
    def mine(query, *, head: str = "nowhere"):
        return np.zeros(len(query.features))

    def fused(query, *, heads: tuple[str, ...] = ("lp", "nowhere")):
        return np.zeros(len(query.features))

    own(mine if key == "head" else fused)
    params = copy.deepcopy(PARAMS)
    params["methods"]["mine"] = {"score": "own"}
    with pytest.raises(ValueError, match="methods.mine names the head 'nowhere', which is never"):
        check_params.run(params)


def test_a_part_that_is_never_fitted_is_refused_before_anything_runs(own):
    def mine(query, *, head: str = "ft"):
        return np.zeros(len(query.features))

    params = copy.deepcopy(PARAMS)
    params["methods"]["mine"] = {"score": "own"}
    own(mine, fitted={"head": "head_statistics"})
    with pytest.raises(ValueError, match=r"methods\.mine\.head names 'ft', which fit\.head_stat"):
        check_params.run(params)
    params["methods"]["mine"] = {"score": "own", "head": "zero_shot"}
    with pytest.raises(ValueError, match="names 'zero_shot', which fit"):
        check_params.run(params)
    own(mine, fitted={"head": "head_statistics"}, linear_head=True)
    check_params.run(params)  # the tables say that it does not apply
