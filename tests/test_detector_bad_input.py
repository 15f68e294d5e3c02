"""Bad input through the real stages, from the bank to the evaluation: rule, value and cure."""

import copy
import dataclasses
from pathlib import Path

import detector_world
import numpy as np
import polars as pl
import pytest
import yaml
from detector_world import World

from pipeline.datasets.index import write_index
from pipeline.detectors.detector import DetectorError, read_detector, write_detector
from pipeline.detectors.fitting import FitParams
from pipeline.params import from_mapping
from pipeline.statistics.evaluation_files import evaluate_files
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.storage import write_store
from pipeline.tables import write_predictions, write_scores
from pipeline.training.probe_recipe import ProbeParams
from pipeline.training.pseudo_labels import PseudoLabelParams
from stages import accuracy, fit, probe, pseudo_label, score

CONF = yaml.safe_load((Path(__file__).parents[1] / "conf/methods.yaml").read_text())
FIT = from_mapping(FitParams, CONF["fit"], section="fit")
METHODS = copy.deepcopy(CONF["methods"])
METHODS["neglabel"]["groups"] = 4
RECIPE = ProbeParams(epochs=1, batch_size=32)
DRAWS = EvaluateParams(resamples=100, replicates=100)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A world that no test changes, and its detector."""
    made = World(tmp_path_factory.mktemp("shared"))
    return made, fit.run(*made.fit_inputs, FIT)


def trained_by(world):
    """Every stage that learns from the bank, as a call."""
    bank, text, pseudo, _ = world.fit_inputs
    return {
        "pseudo_label": lambda: pseudo_label.run(bank, text, PseudoLabelParams()),
        "probe": lambda: probe.run(bank, pseudo, text, RECIPE),
        "fit": lambda: fit.run(*world.fit_inputs, FIT),
    }


def with_row(features, value, row=40):
    changed = features.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_store_takes_nan_or_infinity(world, value):
    with pytest.raises(ValueError, match="must be finite; NaN or infinity in row 40"):
        world.store("bad", with_row(world.bank, value), world.labels)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("stage", ["pseudo_label", "probe", "fit"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_that_got_into_a_bank_is_named_by_row(world, monkeypatch, value, stage):
    """As if another program had written the store."""
    monkeypatch.setattr(write_store, "to_dtype", lambda block, dtype, start=0: block.astype(dtype))
    world.store("bank", with_row(world.bank, value), world.labels)
    with pytest.raises(
        ValueError, match=r"must be finite, but row \d+ holds NaN or infinity; remove the image"
    ):
        trained_by(world)[stage]()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("method", ["mcm", "plp_energy", "knn", "mahalanobis", "lp_vim", "lp_msp"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_among_the_queries_is_named_by_row(shared, tmp_path, monkeypatch, value, method):
    world, detector = shared
    monkeypatch.setattr(write_store, "to_dtype", lambda block, dtype, start=0: block.astype(dtype))
    queries = world.store(f"q_{method}_{value}", with_row(world.queries, value), world.query_labels)
    with pytest.raises(ValueError, match="must be finite, but row 8 holds NaN") as caught:
        score.run(detector, world.folder / "bank.zarr", queries, {"a": METHODS[method]})
    assert "by methods.a, rows counted from 32" in caught.value.__notes__[-1]


@pytest.mark.parametrize("stage", ["pseudo_label", "fit"])
def test_a_zero_row_in_the_bank_has_no_direction(world, stage):
    world.store("bank", with_row(world.bank, 0), world.labels)
    with pytest.raises(ValueError, match=r"must have a direction, but row \d+ is zero; remove"):
        trained_by(world)[stage]()


def test_a_zero_query_is_named_also_where_only_its_class_is_asked_for(shared):
    world, detector = shared
    queries = world.store("zero", with_row(world.queries, 0), world.query_labels)
    with pytest.raises(ValueError, match="must have a direction, but row 8 is zero") as caught:
        score.run(detector, world.folder / "bank.zarr", queries, {})
    assert "zero.zarr by zero_shot, rows counted from 32" in caught.value.__notes__[-1]


def test_a_single_sample_class_has_no_covariance(world):
    labels = world.labels.copy()
    labels[np.flatnonzero(labels == 1)[1:]] = 0
    world.store("bank", world.bank, labels)
    with pytest.raises(
        ValueError, match="two training rows, but class 1 'bee' has 1 .* add images"
    ):
        fit.run(*world.fit_inputs, FIT)


def test_a_single_sample_pseudo_class_is_left_out_and_listed(world):
    pseudo = np.where(np.arange(90) == 7, 2, np.arange(90) % 2).astype(np.int32)
    world.write_pseudo_labels(np.arange(90), pseudo)
    facts = fit.run(*world.fit_inputs, FIT).facts["gaussians/pseudo_labels"]
    assert (facts["classes_left_out"], facts["rows"]) == ([2], 89)


def test_an_absent_class_is_refused_by_the_probe(world):
    world.store("bank", world.bank, np.where(world.labels == 1, 0, world.labels))
    with pytest.raises(ValueError, match="ID class 1 'bee' has no training row .* add images"):
        trained_by(world)["probe"]()


def test_labels_of_another_data_set_are_refused(world):
    world.store("bank", world.bank, world.labels + np.int32(1))
    with pytest.raises(ValueError, match="below the number of classes 3, got 3; the bank and the"):
        trained_by(world)["probe"]()


def test_one_class_is_refused_where_classes_are_compared(tmp_path, monkeypatch):
    """Scores of a single class would be equal for every image; distances and cosines are not."""
    monkeypatch.setattr(detector_world, "CLASSES", 1)
    monkeypatch.setattr(detector_world, "NAMES", ["ant"])
    world = World(tmp_path)
    for stage, message in (
        ("probe", "a probe needs at least two classes to tell apart, got 1; give the ID set"),
        ("fit", "needs at least two classes, got 1; use a score on features"),
    ):
        with pytest.raises(ValueError, match=message):
            trained_by(world)[stage]()
    detector = fit.run(*world.fit_inputs, FitParams())
    paths = tmp_path / "bank.zarr", tmp_path / "queries.zarr"
    for method in ("mcm", "plp_msp", "plp_max_logit", "lp_energy", "plp_gen", "fused"):
        with pytest.raises(ValueError, match="at least two classes, got 1; use a score on feat"):
            score.run(detector, *paths, {method: METHODS[method]})
    with pytest.raises(ValueError, match="relative_mahalanobis needs at least two classes, got 1"):
        score.run(detector, *paths, {"a": METHODS["relative_mahalanobis"]})
    alone = {name: METHODS[name] for name in ("knn", "mahalanobis", "residual", "max_cosine")}
    for values in score.run(detector, *paths, alone)[0].values():
        assert np.ptp(values) > 0


def test_a_bank_without_spread_has_no_covariance(world):
    world.store("bank", np.repeat(world.bank[:1], 90, axis=0), world.labels)
    message = "has no spread: every row equals its centre; use more"
    with pytest.raises(ValueError, match=message) as raised:
        fit.run(*world.fit_inputs, FIT)
    assert raised.value.__notes__ == ["while fitting fit.gaussians.labels, in the space features"]


@pytest.mark.parametrize(
    ("k", "rule"),
    [(0, "'methods.a.k' must be at least 1"), (91, "k must be between 1 and the 90 .*")],
)
def test_k_must_be_in_the_bank(shared, k, rule):
    world, detector = shared
    paths = world.folder / "bank.zarr", world.folder / "queries.zarr"
    with pytest.raises(ValueError, match=rf"{rule}, got {k}"):
        score.run(detector, *paths, {"a": {"score": "knn", "k": k}})


def test_an_image_of_the_bank_has_one_neighbour_less(shared):
    world, detector = shared
    bank = world.folder / "bank.zarr"
    with pytest.raises(ValueError, match="between 1 and the 89 .* got 90; choose a smaller k"):
        score.run(detector, bank, bank, {"a": {"score": "knn", "k": 90}})


def test_a_head_with_other_classes_than_the_pseudo_labels_is_not_mixed_up(world):
    """Of another width in `test_detector_stages`; here of another backbone's folder."""
    world.write_heads(backbone="big")
    with pytest.raises(DetectorError, match="got 'tiny' and 'big'; run `dvc repro`"):
        fit.run(*world.fit_inputs, FIT)


def test_a_head_for_another_width_is_refused_by_the_detector(world):
    head = world.heads["plp"]
    wide = {name: np.repeat(getattr(head, name), 2, axis=-1) for name in ("weight", "mean", "std")}
    world.write_heads({"plp": dataclasses.replace(head, **wide)})
    with pytest.raises(ValueError, match="width 16, got width 8; use the head of the same back"):
        fit.run(*world.fit_inputs, FIT)


def test_a_detector_of_another_backbone_is_refused(shared, tmp_path):
    world, detector = shared
    write_detector(tmp_path / "other", dataclasses.replace(detector, backbone="other"))
    with pytest.raises(DetectorError, match="of backbone 'other', but .* has backbone 'tiny'; ext"):
        score.run(
            read_detector(tmp_path / "other"),
            world.folder / "bank.zarr",
            world.folder / "queries.zarr",
            {"knn": METHODS["knn"]},
        )


def evaluated(folder, scores_id, scores_ood, *, indexed=30):
    """The evaluate stage on score tables as scoring writes them."""
    for name, values in (("id", scores_id), ("ood", scores_ood)):
        write_scores(folder / f"{name}.parquet", {"knn_1": values})
    paths = [f"{i}.png" for i in range(indexed)]
    columns = {"row": range(indexed), "path": paths, "label": -1, "class_name": "", "sha256": ""}
    index = pl.DataFrame(columns | {"error": None}, schema_overrides={"error": pl.String})
    write_index(folder / "index.parquet", index.with_columns(row=pl.lit(None)))
    tables = (folder / f"{name}.parquet" for name in ("id", "ood", "index"))
    params = dataclasses.replace(DRAWS, compare=())
    return evaluate_files(*tables, params, backbone="b", dataset="d")


def test_constant_features_give_constant_scores_that_are_flagged(shared, tmp_path):
    world, detector = shared
    queries = world.store("same", np.repeat(world.queries[:1], 30, axis=0), np.zeros(30, np.int32))
    scores, *_ = score.run(
        detector, world.folder / "bank.zarr", queries, {"knn_1": {"score": "knn", "k": 1}}
    )
    record = evaluated(tmp_path, scores["knn_1"], scores["knn_1"])
    assert record["constant"] == ["knn_1"]
    cell = record["methods"]["knn_1"]
    assert (cell["auroc"]["value"], cell["fpr95"]["value"]) == (0.5, 1.0)


def test_scores_of_another_length_than_their_labels_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    with pytest.raises(
        ValueError, match="score the 30 images of .* got 29 scores .* score the set"
    ):
        evaluated(tmp_path, rng.random(20), rng.random(29))
    labels = np.zeros(20, np.int32)
    write_scores(tmp_path / "id.parquet", {"knn_1": rng.random(19)})
    write_predictions(tmp_path / "p.parquet", {"lp": labels}, labels)
    with pytest.raises(ValueError, match="must score the 20 labelled images of 'id', got 19"):
        accuracy.run(tmp_path / "p.parquet", tmp_path / "id.parquet", DRAWS, backbone="b")


@pytest.mark.parametrize(
    ("rows", "absent", "reason"),
    [
        (range(90), ["relative_mahalanobis_pseudo"], "at least two classes, and by pseudo_labels"),
        (
            range(1),
            ["mahalanobis_pseudo", "relative_mahalanobis_pseudo"],
            "no class by pseudo_labels has two rows",
        ),
    ],
)
def test_pseudo_labels_that_all_fall_into_one_class_make_scores_not_applicable(
    world, rows, absent, reason
):
    """A weak text tower and few classes: the other scores are computed."""
    world.write_pseudo_labels(np.array(rows), np.zeros(len(rows), int))
    detector = fit.run(*world.fit_inputs, FIT)
    methods = {
        name: METHODS[name]
        for name in ("mahalanobis", "mahalanobis_pseudo", "relative_mahalanobis_pseudo", "knn")
    }

    scores, _, _, reasons, *_ = score.run(
        detector, world.folder / "bank.zarr", world.folder / "queries.zarr", methods
    )

    assert sorted(reasons) == absent
    assert all(reason in told for told in reasons.values())
    assert {"mahalanobis", "knn_1"} <= set(scores)
