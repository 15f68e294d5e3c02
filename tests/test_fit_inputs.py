"""What fit takes from one bank and its texts, pseudo-labels and heads, and what it refuses."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from detector_world import World

from pipeline.detectors import row_blocks, rows
from pipeline.detectors.detector import DetectorError
from pipeline.detectors.fit_inputs import read_fit_inputs
from pipeline.detectors.fitting import FitParams, GaussianSpec
from pipeline.detectors.head_rows import ZeroShot, logits_of
from pipeline.files import file_hash
from pipeline.geometry import unit_norm
from pipeline.params import from_mapping
from pipeline.storage.stored_rows import StoredRows
from pipeline.storage.write_store import write_arrays
from pipeline.training.heads import HeadError
from stages import fit, score

CONF = yaml.safe_load((Path(__file__).parents[1] / "conf/methods.yaml").read_text())
FIT = from_mapping(FitParams, CONF["fit"], section="fit")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"norm": "unit"}, "the bank's norm was 'unit' and is 'raw'"),
        ({"key": "another"}, "the bank's key was 'another' and is 'key of bank'"),
        ({"rows": 999}, "the bank's rows was 999 and is 90; run `dvc repro` for `probe`"),
    ],
)
def test_heads_of_another_bank_are_refused(world, changed, message):
    told = world.summary["fitted_on"]
    world.write_heads(fitted_on=told | {"bank": told["bank"] | changed})
    with pytest.raises(DetectorError, match=message):
        fit.run(*world.fit_inputs, FIT)


def test_heads_that_learned_from_other_texts_are_refused(world):
    world.write_heads(fitted_on=world.summary["fitted_on"] | {"prompts": "plp5"})
    with pytest.raises(DetectorError, match="the text's prompts was 'plp5' and is 'single'"):
        fit.run(*world.fit_inputs, FIT)


def test_heads_that_learned_from_other_pseudo_labels_are_refused(world):
    learned = {"pseudo_labels": file_hash(world.folder / "pseudo.parquet")}
    world.write_heads(fitted_on=world.summary["fitted_on"] | learned)
    fit.run(*world.fit_inputs, FIT)

    world.write_pseudo_labels(np.arange(90), (world.pseudo_labels + 1) % 3)
    with pytest.raises(DetectorError, match="file of pseudo-labels was '.*' and is '.*'; run"):
        fit.run(*world.fit_inputs, FIT)


def test_heads_that_do_not_say_what_they_learned_from_are_refused(world):
    for bank in ({}, None, 3):
        world.write_heads(fitted_on={"bank": bank})
        with pytest.raises(DetectorError, match="heads.json must name the bank of the heads; run"):
            fit.run(*world.fit_inputs, FIT)


def test_heads_of_another_number_of_classes_are_refused(world):
    """Also where their files agree with heads.json: the texts know the classes."""
    cut = {
        name: dataclasses.replace(head, weight=head.weight[:2], bias=head.bias[:2])
        for name, head in world.heads.items()
    }
    world.write_heads(cut, classes=2)
    with pytest.raises(DetectorError, match="the number of classes was 2 and is 3; run `dvc repro"):
        fit.run(*world.fit_inputs, FIT)
    world.write_heads({"lp": cut["lp"]})
    with pytest.raises(HeadError, match=r"lp.safetensors: 'weight' must have the shape \[c=3 d\]"):
        fit.run(*world.fit_inputs, FIT)


def test_a_head_in_the_place_of_another_is_refused(world):
    folder = world.folder / "heads"
    (folder / "lp.safetensors").write_bytes((folder / "plp.safetensors").read_bytes())
    with pytest.raises(HeadError, match="lp.safetensors is not the file that was written; train"):
        fit.run(*world.fit_inputs, FIT)


def test_pseudo_labels_of_another_bank_are_refused(world):
    world.write_pseudo_labels(np.arange(90), world.pseudo_labels, key="another")
    with pytest.raises(ValueError, match="must belong together: .* key 'another'"):
        fit.run(*world.fit_inputs, FIT)


def test_texts_of_another_width_are_refused(world):
    world.projection = np.ones((9, 4), np.float32)
    world.write_text()
    with pytest.raises(ValueError, match="must take features .* width 8, got width 9; run"):
        fit.run(*world.fit_inputs, FIT)


def test_pseudo_labels_are_those_of_the_rows_that_were_kept(world):
    kept = np.array([3, 5, 89])
    world.write_pseudo_labels(kept, np.array([2, 0, 1]))
    pseudo = read_fit_inputs(*world.fit_inputs).pseudo_labels
    np.testing.assert_array_equal(pseudo[kept], [2, 0, 1])
    assert (np.delete(pseudo, kept) == -1).all()


def test_a_bank_read_shard_by_shard_gives_the_same_detector(world, monkeypatch):
    """Blocks of 7 rows in shards of 32, nothing held, against one array."""
    params = dataclasses.replace(FIT, head_statistics=["plp", "zero_shot"])
    whole = fit.run(*world.fit_inputs, params)
    monkeypatch.setattr(rows, "_HELD", 0)
    monkeypatch.setattr(rows, "_ROWS", 7)
    monkeypatch.setattr(row_blocks, "_ROWS", 7)
    assert isinstance(read_fit_inputs(*world.fit_inputs).features, StoredRows)

    streamed = fit.run(*world.fit_inputs, params)

    assert streamed.facts == whole.facts
    assert streamed.parts.keys() == whole.parts.keys()
    for key, arrays in whole.parts.items():
        for name, array in arrays.items():
            if name not in ("basis", "whitening", "means"):  # axes, known up to their sign
                np.testing.assert_allclose(
                    streamed.parts[key][name], array, rtol=1e-6, atol=1e-9, err_msg=f"{key} {name}"
                )
    paths = world.folder / "bank.zarr", world.folder / "queries.zarr"
    chosen = ("mahalanobis", "mahalanobis_kmeans", "mahalanobis_logits", "residual", "lp_vim")
    methods = {name: CONF["methods"][name] for name in chosen}
    expected = score.run(whole, *paths, methods)[0]
    for name, values in score.run(streamed, *paths, methods)[0].items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-6, err_msg=name)


def test_features_of_one_dimension_have_every_score_but_residuals(tmp_path):
    detector = fit.run(*World(tmp_path, width=1).fit_inputs, FIT)

    lost = {key for key in detector.not_applicable if key.startswith("residuals/")}
    assert lost == {f"residuals/{name}" for name in FIT.residuals}
    assert "at least 2 dimensions" in detector.not_applicable["residuals/mean"]
    assert "gaussians/labels" in detector.parts


def test_few_images_leave_the_residuals_out_and_say_why(world):
    """A bank that lies in six of eight dimensions; nothing but the residuals suffers."""
    params = dataclasses.replace(FIT, residual_dimension=7)
    inside = world.bank.copy()
    inside[:, 6:] = inside[:, :2]
    world.store("bank", inside, world.labels)
    detector = fit.run(*world.fit_inputs, params)
    for name in ("mean", "lp", "plp"):
        reason = detector.not_applicable[f"residuals/{name}"]
        assert "90 ID training images have no variance" in reason
    paths = world.folder / "bank.zarr", world.folder / "queries.zarr"
    methods = {name: CONF["methods"][name] for name in ("knn", "residual")}
    scores, _, _, reasons, *_ = score.run(detector, *paths, methods)
    assert sorted(scores) == ["knn_1", "knn_10", "knn_50"]
    assert "a fit.residual_dimension below 7" in reasons["residual"]


def test_a_head_with_negative_logits_has_no_vim(world):
    """Shifted by -50 it has the same softmax; a negative scale would turn ViM round."""
    head = world.heads["lp"]
    shifted = dataclasses.replace(head, bias=head.bias - np.float32(50))
    world.write_heads({"lp": shifted})
    detector = fit.run(*world.fit_inputs, FIT)
    reason = detector.not_applicable["residuals/lp"]
    assert "scale must be positive, but the head's largest logits over the bank have the" in reason
    assert "residuals/plp" in detector.parts


def test_zero_shot_is_a_head_of_gaussians_and_statistics(world):
    spec = GaussianSpec(space="zero_shot")
    params = FitParams(gaussians={"cosines": spec}, head_statistics=["zero_shot"])
    cosines = unit_norm(world.bank @ world.projection) @ world.class_embeddings.T

    detector = fit.run(*world.fit_inputs, params)

    means = np.stack([20 * cosines[world.labels == c].mean(axis=0) for c in range(3)])
    centred = 20 * cosines - means[world.labels]
    inverse = np.linalg.inv(centred.astype(np.float64).T @ centred / 90)
    paths = world.folder / "bank.zarr", world.folder / "queries.zarr"
    methods = {
        "a": {"score": "mahalanobis", "gaussians": "cosines"},
        "b": {"score": "kl_matching", "head": "zero_shot"},
        "c": {"score": "nnguide", "head": "zero_shot", "k": 3, "alpha": 1.0},
    }
    scores = score.run(detector, *paths, methods)[0]
    queries = 20 * unit_norm(world.queries @ world.projection) @ world.class_embeddings.T
    nearest = [min((q - m) @ inverse @ (q - m) for m in means) for q in queries]
    np.testing.assert_allclose(scores["a"], -np.array(nearest), rtol=1e-3)
    energies = np.log(np.exp(20.0 * cosines).sum(axis=1))
    np.testing.assert_allclose(
        detector.parts["energies/zero_shot"]["energies"], energies, rtol=1e-5
    )
    assert all(np.isfinite(scores[name]).all() for name in "bc")


def test_zero_shot_without_text_or_scale_does_not_apply(tmp_path):
    params = FitParams(
        gaussians={"cosines": GaussianSpec(space="zero_shot")}, head_statistics=["zero_shot"]
    )
    (tmp_path / "blind").mkdir()
    detector = fit.run(*World(tmp_path / "blind", text=False).fit_inputs, params)
    assert detector.not_applicable["energies/zero_shot"] == "no text tower"
    assert detector.not_applicable["gaussians/cosines"] == "no text tower"

    world = World(tmp_path)
    arrays = {"class_embeddings": world.class_embeddings, "projection": world.projection}
    about = {"backbone": "tiny", "class_names": ["ant", "bee", "cat"], "prompts": "single"}
    write_arrays(tmp_path / "text.zarr", arrays, about | {"applicable": True, "logit_scale": None})
    detector = fit.run(*world.fit_inputs, params)
    for key in ("energies/zero_shot", "posteriors/zero_shot", "gaussians/cosines"):
        assert "without a logit scale" in detector.not_applicable[key]


def test_an_unknown_head_lists_zero_shot_among_the_known(world):
    params = FitParams(gaussians={}, head_statistics=["zeroshot"])
    with pytest.raises(ValueError, match="'zeroshot', .* known: ft, lp, plp, zero_shot"):
        fit.run(*world.fit_inputs, params)


def test_a_bad_row_among_computed_logits_is_counted_within_the_bank(world):
    """Row 80 has no direction; blocks of the bank begin elsewhere."""
    bank = world.bank.copy()
    bank[80] = 0
    head = ZeroShot({"class_embeddings": np.eye(8, dtype=np.float32)}, 100.0)
    with pytest.raises(ValueError, match="row 16 is zero") as caught:
        logits_of(bank, head)[64:]
    assert caught.value.__notes__ == ["rows are counted from row 64 of the bank"]
