import copy
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from detector_world import World
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from pipeline.detectors.detector import DetectorError, read_detector, write_detector
from pipeline.detectors.fitting import FitParams
from pipeline.geometry import unit_norm
from pipeline.params import from_mapping
from pipeline.scores import SCORES, check_methods, method_names
from pipeline.table_origins import read_origin
from pipeline.tables import read_predictions, read_scores
from pipeline.training.heads import Probe
from stages import fit, score

CONF = yaml.safe_load((Path(__file__).parents[1] / "conf/methods.yaml").read_text())
METHODS, FIT = CONF["methods"], from_mapping(FitParams, CONF["fit"], section="fit")


@pytest.fixture(scope="module")
def methods():
    small = copy.deepcopy(METHODS)
    small["neglabel"]["groups"] = 4
    return small


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def detector(world):
    return fit.run(*world.fit_inputs, FIT)


@pytest.fixture(scope="module")
def scored(world, detector, methods):
    bank, queries = world.folder / "bank.zarr", world.folder / "queries.zarr"
    return score.run(detector, bank, queries, methods)


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_every_method_scores_every_image(scored, methods):
    scores, _, _, reasons, *_ = scored
    names = [n for m, e in methods.items() for n in method_names(m, e)]
    assert sorted({*scores, *reasons}) == sorted(names)
    assert all(values.shape == (70,) and np.isfinite(values).all() for values in scores.values())
    assert reasons == {"ft_msp": "not fine-tuned", "ft_energy": "not fine-tuned"}


def test_every_score_of_the_table_is_in_the_default_methods():
    assert {entry["score"] for entry in METHODS.values()} == set(SCORES)


def test_every_method_prefers_the_images_of_the_bank(scored):
    """Forty queries come from the clusters, thirty from elsewhere: pins every direction.

    Against a random head the clip threshold may say little; nothing may point the other way.
    """
    for name, values in scored[0].items():
        wins = (values[:40, None] > values[None, 40:]).mean()
        assert wins > 0.55, (name, wins)


def test_the_table_holds_the_definitions(scored, world):
    """Each first-light method once more, by a few lines of NumPy and scikit-learn."""
    scores, queries, bank = scored[0], world.queries, world.bank
    embeddings = unit_norm(queries @ world.projection)
    cosines = embeddings @ world.class_embeddings.T
    logits = world.heads["plp"].logits(queries).astype(np.float64)
    distance, _ = NearestNeighbors(n_neighbors=50, metric="cosine").fit(bank).kneighbors(queries)
    means = np.stack([bank[world.labels == c].mean(axis=0) for c in range(3)])
    shared = EmpiricalCovariance(assume_centered=True).fit(bank - means[world.labels])
    everything = EmpiricalCovariance().fit(bank)
    nearest = np.min([shared.mahalanobis(queries - mean) for mean in means], axis=0)

    expected = {
        "mcm": np.log(softmax(cosines).max(axis=1) / (1 - softmax(cosines).max(axis=1))),
        "max_cosine": cosines.max(axis=1),
        "plp_max_logit": logits.max(axis=1),
        "plp_energy": np.log(np.exp(logits).sum(axis=1)),
        "plp_msp": np.log(softmax(logits).max(axis=1) / (1 - softmax(logits).max(axis=1))),
        "knn_1": 1 - distance[:, 0],
        "knn_10": 1 - distance[:, 9],
        "knn_50": 1 - distance[:, 49],
        "mahalanobis": -nearest,
        "relative_mahalanobis": everything.mahalanobis(queries) - nearest,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(scores[name], values, rtol=1e-3, atol=2e-5, err_msg=name)


def test_predictions_by_four_classifiers(scored, world):
    predictions, labels = scored[1], scored[2]
    cosines = unit_norm(world.queries @ world.projection) @ world.class_embeddings.T
    assert sorted(predictions) == ["knn_20", "lp", "plp", "zero_shot"]
    np.testing.assert_array_equal(predictions["zero_shot"], cosines.argmax(axis=1))
    lp = world.heads["lp"].logits(world.queries).argmax(axis=1)
    np.testing.assert_array_equal(predictions["lp"], lp)
    assert (predictions["knn_20"][:40] == labels[:40]).mean() > 0.95
    np.testing.assert_array_equal(labels, world.query_labels)


def test_shards_change_nothing(scored, world, detector, methods, tmp_path):
    whole = World(tmp_path, shard_rows=1000)
    again = score.run(
        fit.run(*whole.fit_inputs, FIT), tmp_path / "bank.zarr", tmp_path / "queries.zarr", methods
    )
    for name, values in scored[0].items():
        np.testing.assert_allclose(again[0][name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_an_image_of_the_bank_is_not_its_own_neighbour(world, detector):
    bank = world.folder / "bank.zarr"
    similarities = unit_norm(world.bank) @ unit_norm(world.bank).T
    np.fill_diagonal(similarities, -1)

    scores = score.run(detector, bank, bank, {"knn": {"score": "knn", "k": 1}})[0]

    np.testing.assert_allclose(scores["knn"], similarities.max(axis=1), atol=1e-6)


def test_a_balanced_sample_of_the_bank(world, detector):
    """All queries are bank images, so k = 1 finds exactly the sampled ones with similarity 1."""
    copy_of_bank = world.store("copy", world.bank, world.labels)
    methods = {"knn": {"score": "knn", "k": 1, "alpha": 0.4, "balanced": True, "seed": 3}}

    found = (
        score.run(detector, world.folder / "bank.zarr", copy_of_bank, methods)[0]["knn"] > 0.9999
    )

    np.testing.assert_array_equal(np.bincount(world.labels[found]), [12, 12, 12])


def test_a_backbone_without_text_says_so(tmp_path, methods):
    world = World(tmp_path, text=False)
    detector = fit.run(*world.fit_inputs, FIT)
    scores, predictions, _, reasons, no_classifier, _ = score.run(
        detector, tmp_path / "bank.zarr", tmp_path / "queries.zarr", methods
    )

    without_text = {name for name in reasons if not name.startswith(("plp_", "ft_"))}
    assert without_text == {
        "mcm",
        "max_cosine",
        "neglabel",
        "fused",
        "mahalanobis_pseudo",
        "relative_mahalanobis_pseudo",
    }
    assert {reasons[name] for name in without_text} == {"no text tower"}
    assert {"knn_1", "lp_msp", "lp_vim", "mahalanobis", "mahalanobis_kmeans"} <= set(scores)
    assert sorted(predictions) == ["knn_20", "lp"]
    assert no_classifier == {"plp": "no text tower", "zero_shot": "no text tower"}


def test_joint_features_need_no_projection(tmp_path):
    """The towers whose projection cannot be separated: features are in the joint space."""
    world = World(tmp_path, width=4)
    world.projection = np.eye(4, dtype=np.float32)
    world.class_embeddings = unit_norm(world.centres.astype(np.float32))
    world.write_text()
    detector = fit.run(*world.fit_inputs, FIT)
    methods = {"max_cosine": {"score": "max_cosine"}}
    paths = tmp_path / "bank.zarr", tmp_path / "queries.zarr"
    with_projection = score.run(detector, *paths, methods)[0]["max_cosine"]

    del detector.parts["text/text"]["projection"]

    without = score.run(detector, *paths, methods)[0]["max_cosine"]
    np.testing.assert_allclose(without, with_projection, atol=1e-6)


def test_round_trip_with_the_same_bytes(detector, tmp_path):
    write_detector(tmp_path / "a" / "tiny", detector)
    again = read_detector(tmp_path / "a" / "tiny")
    write_detector(tmp_path / "b", again)

    for name in ("detector.json", "detector.safetensors"):
        written = (tmp_path / "a" / "tiny" / name).read_bytes()
        assert written == (tmp_path / "b" / name).read_bytes()
    assert again.facts == detector.facts
    for part, arrays in detector.parts.items():
        for name, array in arrays.items():
            assert again.parts[part][name].shape == array.shape
            np.testing.assert_array_equal(again.parts[part][name], array)


def test_the_facts_say_what_was_fitted_on_what(detector):
    facts = detector.facts
    assert facts["fitted_on"]["bank"] == {"dataset": "bank", "key": "key of bank", "rows": 90}
    assert sorted(facts["fitted_on"]["heads"]) == ["lp.safetensors", "plp.safetensors"]
    labels = facts["gaussians/labels"]
    assert labels["shrinkage_used"] == "none"
    assert 1 < labels["condition_number"] < 100
    assert labels["classes_left_out"] == []


def test_a_damaged_detector_is_refused(detector, tmp_path):
    folder = tmp_path / "tiny"
    with pytest.raises(DetectorError, match="holds no readable detector"):
        read_detector(folder)
    write_detector(folder, detector)
    arrays = folder / "detector.safetensors"
    content = bytearray(arrays.read_bytes())
    content[-5] ^= 1
    arrays.write_bytes(content)
    with pytest.raises(DetectorError, match="is not the file that was written"):
        read_detector(folder)
    facts = json.loads((folder / "detector.json").read_text())
    (folder / "detector.json").write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(DetectorError, match="has detector format 99, this code reads 2"):
        read_detector(folder)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"backbone": "other"}, "backbone 'tiny', but .* has backbone 'other'"),
        (
            {"norm": "unit"},
            r"norm 'raw', but .* has norm 'unit'; .* -S models\.\w+\.normalise=true",
        ),
        ({"space": "joint"}, "space 'features', but .* has space 'joint'"),
    ],
)
def test_features_of_other_origin_are_refused(world, detector, changed, message):
    other = world.store("other", world.queries, world.query_labels, **changed)
    with pytest.raises(DetectorError, match=message):
        score.run(detector, world.folder / "bank.zarr", other, {})


def test_features_of_another_width_are_refused(world, detector):
    wide = world.store("wide", np.ones((3, 9), np.float32), np.zeros(3, np.int32))
    with pytest.raises(DetectorError, match="width '8', but .* has width '9'"):
        score.run(detector, world.folder / "bank.zarr", wide, {})


def test_another_bank_is_refused(world, detector):
    other = world.store("bank2", world.bank, world.labels)
    with pytest.raises(DetectorError, match="fitted on the bank .* is another"):
        score.run(detector, other, world.folder / "queries.zarr", {})


def test_heads_of_another_backbone_are_refused(tmp_path):
    world = World(tmp_path)
    world.write_heads(backbone="big")
    with pytest.raises(DetectorError, match="bank and heads must be of one backbone, got 'tiny'"):
        fit.run(*world.fit_inputs, FIT)


def test_a_head_of_another_width_is_refused(tmp_path):
    world = World(tmp_path)
    head = world.heads["lp"]
    narrow = Probe(head.weight[:, :5], head.bias, head.mean[:5], head.std[:5])
    world.write_heads({"lp": narrow})
    with pytest.raises(ValueError, match="features of width 5, got width 8"):
        fit.run(*world.fit_inputs, FIT)


def test_a_zero_row_is_an_error_that_says_where(world, detector):
    queries = world.queries.copy()
    queries[40] = 0
    store = world.store("zero", queries, world.query_labels)
    methods = {"knn": {"score": "knn", "k": 1}}
    with pytest.raises(ValueError, match="row 8 is zero") as caught:
        score.run(detector, world.folder / "bank.zarr", store, methods)
    assert "by methods.knn, rows counted from 32" in caught.value.__notes__[0]


def test_an_absent_class_is_an_error_and_a_dead_pseudo_class_a_fact(tmp_path):
    world = World(tmp_path)
    world.write_pseudo_labels(np.arange(90), np.arange(90) % 2)
    facts = fit.run(*world.fit_inputs, FIT).facts
    assert facts["gaussians/pseudo_labels"]["classes_left_out"] == [2]

    world.store("bank", world.bank, np.where(world.labels == 1, 0, world.labels))
    with pytest.raises(ValueError, match="at least two training rows, but class 1 'bee' has 0"):
        fit.run(*world.fit_inputs, FIT)


def test_unknown_names_list_the_known_ones(world, detector):
    for methods, message in [
        ({"a": {"score": "odin"}}, "unknown score 'odin' in methods.a; known: energy, entropy"),
        ({"a": {"score": "mcm", "temp": 1}}, "'methods.a.temp' of score 'mcm'; known: temperature"),
        ({"a": {"score": "msp"}}, "missing parameter 'methods.a.head'"),
        ({"a": "msp"}, "must be a mapping that names a score"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_methods(methods)
    paths = world.folder / "bank.zarr", world.folder / "queries.zarr"
    with pytest.raises(ValueError, match="unknown heads 'plpp' .* known: ft, lp, plp"):
        score.run(detector, *paths, {"a": {"score": "msp", "head": "plpp"}})
    with pytest.raises(ValueError, match="known: kmeans, labels, logits, pseudo_labels"):
        score.run(detector, *paths, {"a": {"score": "mahalanobis", "gaussians": "x"}})
    with pytest.raises(ValueError, match=r"k must be between 1 and the 90 .* got 91"):
        score.run(detector, *paths, {"a": {"score": "knn", "k": 91}})
    wrong = from_mapping(FitParams, {"residuals": ["mean", "rp"]}, section="fit")
    with pytest.raises(ValueError, match="fit.residuals names the head 'rp', which was not"):
        fit.run(*world.fit_inputs, wrong)


def test_the_commands_write_the_tables(world, methods, tmp_path, monkeypatch, capsys):
    params = {"methods": methods, "fit": CONF["fit"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fit", *map(str, world.fit_inputs), "detectors/tiny"])
    fit.main()
    stores = [str(world.folder / f"{name}.zarr") for name in ("bank", "queries")]
    (tmp_path / "methods.json").write_text(json.dumps(methods))
    tables = ("s/q.parquet", "p/q.parquet")
    command = ["score", "tiny", "methods.json", "detectors/tiny", *stores, *tables]
    monkeypatch.setattr(sys, "argv", command)
    score.main()

    scores, reasons = read_scores(tmp_path / "s/q.parquet")
    predictions, labels, _ = read_predictions(tmp_path / "p/q.parquet")
    assert scores["plp_msp"].dtype == np.float64
    assert reasons == {"ft_msp": "not fine-tuned", "ft_energy": "not fine-tuned"}
    assert len(scores) + 2 == len([n for m, e in methods.items() for n in method_names(m, e)])
    assert sorted(predictions) == ["knn_20", "lp", "plp", "zero_shot"]
    np.testing.assert_array_equal(labels, world.query_labels)
    assert "70 images of queries" in capsys.readouterr().out
    detector = read_detector(tmp_path / "detectors/tiny")
    origin = {"backbone": "tiny", "dataset": "queries", "detector": detector.sha256}
    told, of_predictions = (read_origin(tmp_path / table) for table in tables)
    assert of_predictions == origin
    assert told == told | origin | {"bank": detector.facts["fitted_on"]["bank"]}
    assert told["methods"]["mcm"] == methods["mcm"]
    command[1] = "huge"
    with pytest.raises(DetectorError, match="belongs to the backbone 'tiny', not to 'huge'"):
        score.main()
