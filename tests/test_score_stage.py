"""The score stage: pieces of a shard, a bank that is opened late, heads without a linear layer."""

import copy
import dataclasses
import inspect
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from detector_world import World
from scipy.special import logsumexp, softmax

from pipeline.detectors import search
from pipeline.detectors.detector import DetectorError, write_detector
from pipeline.detectors.fitting import FitParams
from pipeline.geometry import unit_norm
from pipeline.params import from_mapping
from pipeline.scores import SCORES
from pipeline.scoring import scoring, stored_bank
from pipeline.storage import store
from pipeline.storage.store import StoreError
from pipeline.table_origins import read_origin
from stages import fit, score

CONF = yaml.safe_load((Path(__file__).parents[1] / "conf/methods.yaml").read_text())
FIT = from_mapping(FitParams, CONF["fit"], section="fit")
METHODS = copy.deepcopy(CONF["methods"])
METHODS["neglabel"]["groups"] = 4
MCM = {"mcm": METHODS["mcm"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def detector(world):
    return fit.run(*world.fit_inputs, FIT)


def paths(world):
    return world.folder / "bank.zarr", world.folder / "queries.zarr"


def with_zero_shot(world, detector):
    """The statistics that fitting stores for the zero-shot head, by definition."""
    cosines = unit_norm(world.bank @ world.projection) @ world.class_embeddings.T
    logits = 20.0 * cosines.astype(np.float64)
    p, predicted = softmax(logits, axis=1), logits.argmax(axis=1)
    means = np.stack([p[predicted == c].mean(axis=0) for c in range(3)])
    parts = {
        "energies/zero_shot": {"energies": logsumexp(logits, axis=1).astype(np.float32)},
        "posteriors/zero_shot": {"posteriors": means, "classes": np.arange(3)},
    }
    return dataclasses.replace(detector, parts=detector.parts | parts)


def test_pieces_change_nothing(world, detector, monkeypatch):
    """Of 5 rows, against whole shards, to the bit."""
    whole = score.run(detector, *paths(world), METHODS)
    monkeypatch.setattr(scoring, "_PIECE", 5)

    pieces = score.run(detector, *paths(world), METHODS)

    assert pieces[3:] == whole[3:]
    for name, values in whole[0].items():
        np.testing.assert_array_equal(pieces[0][name], values, err_msg=name)
    for name, classes in whole[1].items():
        np.testing.assert_array_equal(pieces[1][name], classes, err_msg=name)


def test_a_search_reads_the_bank_once_for_a_shard_of_queries(world, detector, monkeypatch):
    """Three shards of 32, 32 and 6 queries; the knn methods and the classifier share a search."""
    reads = []

    def count(name, what):
        real = getattr(store, name)

        def counted(path):
            reads.append((path.stem, what))
            return real(path)

        for module in (score, stored_bank):
            monkeypatch.setattr(module, name, counted)

    count("iter_shards", "features")
    count("read_labels", "labels")
    monkeypatch.setattr(scoring, "_PIECE", 5)
    table = {"a": {"score": "knn", "k": [1, 30]}, "b": {"score": "knn", "k": 7}} | MCM
    score.run(detector, *paths(world), table)
    assert reads.count(("bank", "features")) == 3
    assert reads.count(("bank", "labels")) == 1
    assert reads.count(("queries", "features")) == 1

    reads.clear()
    score.run(detector, *paths(world), {"a": METHODS["knn_balanced"], "g": METHODS["plp_nnguide"]})
    assert reads.count(("bank", "features")) == 3 * 3


def test_of_a_list_the_k_that_the_bank_has_are_scored(world, detector, capsys):
    """As our default of 50 neighbours for a user's 15 photos: the rest of the table stands."""
    table = {
        "knn": {"score": "knn", "k": [1, 90, 91]},
        "half": {"score": "knn", "k": [1, 46], "alpha": 0.5},
        "guide": {"score": "nnguide", "head": "plp", "k": 91},
    }
    found = score.run(detector, *paths(world), table | MCM)

    assert list(found.scores) == ["knn_1", "knn_90", "half_1", "mcm"]
    alone = score.run(detector, *paths(world), {"knn": {"score": "knn", "k": [1, 90]}})
    np.testing.assert_array_equal(found.scores["knn_90"], alone.scores["knn_90"])
    assert found.not_applicable == {
        "knn_91": "k must be between 1 and the 90 bank features to compare with, got 91; choose a "
        "smaller k, as by -S 'methods.knn.k=[1,90]', or a larger bank",
        "half_46": "k must be between 1 and the 45 bank features to compare with, got 46; choose a "
        "smaller k, as by -S 'methods.half.k=[1]', or a larger bank",
        "guide": "k must be between 1 and the 90 bank features to compare with, got 91; choose a "
        "smaller k, as by -S methods.guide.k=90, or a larger bank",
    }
    printed = capsys.readouterr().out
    assert printed.count("tiny: knn_91 is not applicable: k must be between 1 and the 90") == 1


@pytest.mark.parametrize(
    ("k", "cure"),
    [(91, r"-S methods\.a\.k=90"), ([91, 200], r"-S 'methods\.a\.k=\[90\]'")],
)
def test_knn_of_which_the_bank_has_no_k_is_an_error(world, detector, k, cure):
    message = rf"methods\.a\.k must be between 1 and the 90 .* got 91; .*{cure}"
    with pytest.raises(ValueError, match=message):
        score.run(detector, *paths(world), {"a": {"score": "knn", "k": k}} | MCM)


def test_a_k_beyond_the_bank_makes_no_other_search_larger(world, detector, monkeypatch):
    """The vote of 20 is the deepest that is possible; the table of 10^10 is never made."""
    asked = []
    real = search.nearest_in_shards
    monkeypatch.setattr(
        search, "nearest_in_shards", lambda *a, k, **more: asked.append(k) or real(*a, k=k, **more)
    )
    score.run(detector, *paths(world), {"a": {"score": "knn", "k": [1, 10**10]}})
    assert asked == [20, 20, 20]  # three shards


def test_temporaries_are_of_a_piece(world, detector, monkeypatch):
    rows = []
    monkeypatch.setattr(scoring, "_PIECE", 5)
    monkeypatch.setattr(
        scoring, "compute", lambda query, name, entry: rows.append(len(query.features)) or {}
    )
    score.run(detector, *paths(world), MCM)
    assert rows == [5] * 6 + [2] + [5] * 6 + [2] + [5, 1]


def test_a_bank_that_is_gone_is_missed_by_neighbours_only(world, detector, tmp_path):
    full = score.run(detector, *paths(world), METHODS)
    missing, queries = tmp_path / "gone.zarr", paths(world)[1]
    alone = {
        name: entry for name, entry in METHODS.items() if entry["score"] not in ("knn", "nnguide")
    }

    scores, predictions, _, reasons, no_classifier, _ = score.run(detector, missing, queries, alone)

    for name, values in scores.items():
        np.testing.assert_array_equal(values, full[0][name])
    assert set(reasons) == {"ft_msp", "ft_energy"}
    assert sorted(predictions) == ["lp", "plp", "zero_shot"]
    assert no_classifier == {"knn_20": "the features of the bank are not there"}
    for name in ("knn", "plp_nnguide", "knn_balanced"):
        with pytest.raises(StoreError, match="gone.zarr") as caught:
            score.run(detector, missing, queries, {name: METHODS[name]})
        assert f"by methods.{name}, rows counted from 0" in caught.value.__notes__[-1]


def test_a_damaged_bank_is_an_error_also_for_the_classifier(world, detector, tmp_path):
    """Only its absence says that neighbours are not wanted."""
    shutil.copytree(paths(world)[0], tmp_path / "bank.zarr")
    for shard in (tmp_path / "bank.zarr" / "features").rglob("0"):
        if shard.is_file():
            shard.write_bytes(shard.read_bytes()[:-7])
    with pytest.raises(StoreError):
        score.run(detector, tmp_path / "bank.zarr", paths(world)[1], MCM)


def test_a_small_bank_has_no_vote_of_twenty(world, detector):
    """Nineteen other images are too few, twenty are enough; one fewer for the bank's own."""
    for rows, own, applicable in [(19, 0, False), (20, 0, True), (20, 1, False), (21, 1, True)]:
        bank = world.store("small", world.bank[:rows], world.labels[:rows])
        about = store.read_attributes(bank)
        fitted_on = {"bank": {key: about[key] for key in ("dataset", "key", "rows")}}
        fitted = dataclasses.replace(detector, facts=detector.facts | {"fitted_on": fitted_on})
        _, predictions, _, _, no_classifier, _ = score.run(
            fitted, bank, bank if own else paths(world)[1], MCM
        )
        assert ("knn_20" in predictions) == applicable
        if not applicable:
            assert no_classifier == {
                "knn_20": "20 neighbours vote, but the bank has 19 images to compare with"
            }


def test_a_store_that_bears_the_banks_name_must_be_the_bank(world, detector, tmp_path):
    """Its rows in another order would be their own neighbours: the bank's row is left out."""
    order = np.random.default_rng(0).permutation(90)
    told = {"dataset": "bank", "key": "another"}
    other = world.store("reordered", world.bank[order], world.labels[order], **told)
    with pytest.raises(DetectorError, match="of the dataset 'bank' must .* another name"):
        score.run(detector, paths(world)[0], other, METHODS)


CHANGES = {
    ("energy", "head"): {"head": "lp"},
    ("energy", "temperature"): {"temperature": 2.0},
    ("entropy", "head"): {"head": "lp"},
    ("fused", "heads"): {"heads": ["plp", "lp"]},
    ("gen", "head"): {"head": "lp"},
    ("gen", "gamma"): {"gamma": 0.5},
    ("gen", "largest"): {"largest": 2},
    ("kl_matching", "head"): {"head": "lp"},
    ("knn", "k"): {"k": 2},
    ("knn", "alpha"): {"alpha": 0.4},
    ("knn", "balanced"): {"balanced": True},
    ("knn", "seed"): {"seed": 1},
    ("mahalanobis", "gaussians"): {"gaussians": "logits"},
    ("max_logit", "head"): {"head": "lp"},
    ("mcm", "temperature"): {"temperature": 0.5},
    ("msp", "head"): {"head": "lp"},
    ("neglabel", "temperature"): {"temperature": 0.5},
    ("neglabel", "groups"): {"groups": 3},
    ("neglabel", "seed"): {"seed": 1},
    ("nnguide", "head"): {"head": "lp"},
    ("nnguide", "k"): {"k": 2},
    ("nnguide", "alpha"): {"alpha": 0.4},
    ("nnguide", "seed"): {"seed": 1},
    ("react", "head"): {"head": "lp"},
    ("react", "temperature"): {"temperature": 2.0},
    ("relative_mahalanobis", "gaussians"): {"gaussians": "logits"},
    ("residual", "space"): {"space": "lp"},
    ("vim", "head"): {"head": "lp"},
}
USUAL = {"head": "plp", "alpha": 0.5, "groups": 4}  # where a score takes them


def test_every_parameter_of_every_score_changes_it(world, detector):
    """A seed or a temperature that is read and not passed on would change nothing."""
    taken = {
        (name, key)
        for name, function in SCORES.items()
        for key in list(inspect.signature(function).parameters)[1:]
    }
    assert set(CHANGES) == taken - {("knn", "engine")}  # engines agree, but for the approximate

    def entry(name):
        return {"score": name} | {
            key: USUAL[key] for of, key in CHANGES if of == name and key in USUAL
        }

    table = {name: entry(name) for name in SCORES}
    table |= {f"{name} by {key}": entry(name) | new for (name, key), new in CHANGES.items()}
    scores = score.run(detector, *paths(world), table).scores

    assert list(scores) == list(table)
    for name, key in CHANGES:
        assert not np.array_equal(scores[name], scores[f"{name} by {key}"]), (name, key)


def test_a_list_of_k_may_stand_in_any_order(world, detector):
    """One search of the deepest serves all; also of a sample, which no other method deepens."""
    for sample in ({}, {"alpha": 0.5}):
        up, down = (
            score.run(detector, *paths(world), {"a": {"score": "knn", "k": ks} | sample}).scores
            for ks in ([1, 30], [30, 1])
        )
        assert sorted(up) == sorted(down) == ["a_1", "a_30"]
        for name, values in up.items():
            np.testing.assert_array_equal(down[name], values)
            assert (up["a_1"] > up["a_30"]).all()


def test_scores_on_the_zero_shot_head(world, detector):
    table = {
        "kl": {"score": "kl_matching", "head": "zero_shot"},
        "guide": {"score": "nnguide", "head": "zero_shot"},
        "energy": {"score": "energy", "head": "zero_shot"},
    }
    fitted = with_zero_shot(world, detector)

    scores, _, _, reasons, *_ = score.run(fitted, *paths(world), table)

    assert not reasons
    for name, values in scores.items():
        wins = (values[:40, None] > values[None, 40:]).mean()
        assert wins > 0.55, (name, wins)
    energies = fitted.parts["energies/zero_shot"]["energies"].astype(np.float64)
    weighted = unit_norm(world.queries) @ unit_norm(world.bank).T * energies
    guides = np.sort(weighted, axis=1)[:, -10:].mean(axis=1)
    assert (scores["energy"][:40] > 0).all()
    np.testing.assert_allclose(scores["guide"][:40], (scores["energy"] * guides)[:40], rtol=1e-4)


def test_scores_that_need_a_linear_head_say_why_not(world, detector):
    table = {name: {"score": name, "head": "zero_shot"} for name in ("react", "vim")}
    reasons = score.run(detector, *paths(world), table)[3]
    assert reasons == dict.fromkeys(table, "zero_shot is no linear head on features")


def test_statistics_that_were_not_fitted_say_where_to_name_the_head(world, detector):
    with pytest.raises(ValueError, match=r"'zero_shot' .* name it in fit\.head_statistics"):
        score.run(detector, *paths(world), {"a": {"score": "kl_matching", "head": "zero_shot"}})


def test_nnguide_without_positive_energies_is_not_applicable(world, detector):
    energies = {"energies/plp": {"energies": np.full(90, -2.5, np.float32)}}
    negative = dataclasses.replace(detector, parts=detector.parts | energies)
    reasons = score.run(negative, *paths(world), {"a": METHODS["plp_nnguide"]})[3]
    assert reasons == {
        "a": "nnguide weighs the bank by positive energies, and the head 'plp' gives none: the "
        "largest is -2.5"
    }


def test_a_bank_image_of_negative_energy_is_no_guide(world, detector):
    """Negative weights made the images that lie opposite the best guides."""
    energies = np.where(world.labels == 0, 2, -50).astype(np.float32)
    mixed = dataclasses.replace(
        detector, parts=detector.parts | {"energies/plp": {"energies": energies}}
    )
    table = {"g": METHODS["plp_nnguide"], "e": METHODS["plp_energy"]}
    scores = score.run(mixed, *paths(world), table)[0]
    cosines = unit_norm(world.queries) @ unit_norm(world.bank[world.labels == 0]).T
    guides = 2 * np.sort(np.maximum(cosines, 0), axis=1)[:, -10:].mean(axis=1).astype(np.float64)
    expected = np.maximum(scores["e"], 0) * guides + np.minimum(scores["e"], 0)
    np.testing.assert_allclose(scores["g"], expected, rtol=1e-5, atol=1e-5)


def test_an_unlabelled_bank_has_every_score_that_needs_no_labels(world, detector):
    bank = world.store("unlabelled", world.bank, np.full(90, -1, np.int32))
    fitted_on = {"bank": {"dataset": "unlabelled", "key": "key of unlabelled", "rows": 90}}
    fitted = dataclasses.replace(detector, facts=detector.facts | {"fitted_on": fitted_on})

    scores, predictions, _, reasons, no_classifier, _ = score.run(
        fitted, bank, paths(world)[1], METHODS
    )

    assert set(reasons) == {"ft_msp", "ft_energy", "knn_balanced"}
    assert "needs labels, but the bank has unlabelled images" in reasons["knn_balanced"]
    assert {"knn_1", "plp_nnguide", "mahalanobis"} <= set(scores)
    assert sorted(predictions) == ["lp", "plp", "zero_shot"]
    assert no_classifier == {"knn_20": "the bank has unlabelled images"}


def test_the_recall_of_an_approximate_index_is_told_by_method(world, detector, monkeypatch):
    """Three shards of 32, 32 and 6 queries in pieces of 5; exact methods have none to tell."""
    shares = iter([1.0, 0.5, 0.25])
    real = search.nearest_in_shards

    def found(*args, engine, **more):
        exact = real(*args, engine="blocks", **more)
        recall = next(shares) if engine == "hnsw" else None
        return dataclasses.replace(exact, recall=recall)

    monkeypatch.setattr(search, "nearest_in_shards", found)
    monkeypatch.setattr(scoring, "_PIECE", 5)
    table = {"far": {"score": "knn", "k": [1, 30], "engine": "hnsw"}, "near": METHODS["knn"]} | MCM

    recalls = score.run(detector, *paths(world), table).recalls

    share = round((32 * 1.0 + 32 * 0.5 + 6 * 0.25) / 70, 6)
    assert recalls == {key: {"k": 30, "share": share} for key in ("far_1", "far_30")}


@pytest.mark.parametrize("engine", ["ivf", "hnsw"])
def test_approximate_neighbours_are_searched_as_deep_as_their_own_method_says(
    world, detector, monkeypatch, engine
):
    """What such an index finds depends on how many it is asked for; others may ask for more."""
    asked = []
    real = search.nearest_in_shards

    def counted(*args, k, engine, **more):
        asked.append((engine, k))
        return real(*args, k=k, engine=engine, **more)

    monkeypatch.setattr(search, "nearest_in_shards", counted)
    own = {"near": {"score": "knn", "k": 3, "engine": engine}}
    alone = score.run(detector, *paths(world), own | MCM)
    beside = score.run(detector, *paths(world), own | MCM | {"knn": METHODS["knn"]})

    assert {k for name, k in asked if name == engine} == {3}
    assert alone.recalls == beside.recalls
    assert alone.recalls["near"]["k"] == 3
    np.testing.assert_array_equal(alone.scores["near"], beside.scores["near"])


def test_the_commands_table_tells_bank_settings_and_recall(world, detector, tmp_path, monkeypatch):
    write_detector(tmp_path / "tiny", detector)
    table = {"knn": {"score": "knn", "k": 5, "engine": "ivf"}} | MCM
    (tmp_path / "methods.json").write_text(json.dumps(table))
    monkeypatch.chdir(tmp_path)
    command = ["score", "tiny", "methods.json", "tiny", *map(str, paths(world)), "s", "p"]
    monkeypatch.setattr(sys, "argv", command)
    score.main()
    assert sorted(read_origin(tmp_path / "p")) == ["backbone", "dataset", "detector"]
    told = read_origin(tmp_path / "s")
    assert told["bank"] == detector.facts["fitted_on"]["bank"]
    assert told["methods"]["knn"]["engine"] == "ivf"
    assert told["methods"]["mcm"]["temperature"] == 1.0
    recall = told["recall"]
    assert list(recall) == ["knn"]
    assert recall["knn"]["k"] == 5
    assert 0.5 < recall["knn"]["share"] <= 1


@pytest.mark.parametrize(
    ("prompts", "cure"),
    [
        ("imported", "set models.tiny.negative_embeddings to a file"),
        ("single", "set text.negative_words"),
    ],
)
def test_without_negative_words_neglabel_says_what_this_backbone_reads(
    world, detector, prompts, cure
):
    text = {k: v for k, v in detector.parts["text/text"].items() if k != "negative_embeddings"}
    told = detector.facts | {"text/text": detector.facts["text/text"] | {"prompts": prompts}}
    without = dataclasses.replace(detector, parts=detector.parts | {"text/text": text}, facts=told)
    reasons = score.run(without, *paths(world), {"neglabel": METHODS["neglabel"]})[3]
    assert cure in reasons["neglabel"]
