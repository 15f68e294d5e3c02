"""A detector folder that something else wrote, changed, or never finished writing."""

import copy
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from detector_world import World
from safetensors.numpy import load_file, save

from pipeline.detectors.detector import (
    Detector,
    DetectorError,
    digest,
    read_detector,
    write_detector,
)
from pipeline.detectors.fitting import FitParams
from pipeline.params import from_mapping
from stages import fit

CONF = yaml.safe_load((Path(__file__).parents[1] / "conf/methods.yaml").read_text())
FIT = from_mapping(FitParams, CONF["fit"], section="fit")
FIT = dataclasses.replace(FIT, head_statistics=["plp", "zero_shot"])
NAMES = "detector.json", "detector.safetensors"


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return fit.run(*World(tmp_path_factory.mktemp("world")).fit_inputs, FIT)


@pytest.fixture
def folder(tmp_path, detector):
    write_detector(tmp_path / "tiny", detector)
    return tmp_path / "tiny"


def told(folder):
    return json.loads((folder / "detector.json").read_text())


def tell(folder, said, *, rehash=True):
    """Write detector.json anew, with the hash of what it says as another program would write it."""
    if rehash:
        said = said | {"sha256": digest(said)}
    (folder / "detector.json").write_text(json.dumps(said))


def put(folder, content):
    """Write other arrays, and their hash."""
    (folder / "detector.safetensors").write_bytes(content)
    tell(folder, told(folder) | {"arrays_sha256": hashlib.sha256(content).hexdigest()})


def changed(said, path, value):
    """A copy in which the entry at a path like facts/bank is another, or none."""
    said = copy.deepcopy(said)
    *way, last = path
    at = said
    for step in way:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return said


def test_a_detector_knows_the_hash_that_it_was_written_with(folder, detector):
    assert read_detector(folder).sha256 == told(folder)["sha256"]
    assert detector.sha256 == ""


def test_equal_detectors_have_equal_bytes_and_hashes(folder, detector):
    again = read_detector(folder)
    write_detector(folder.parent / "b", again)
    for name in NAMES:
        assert (folder / name).read_bytes() == (folder.parent / "b" / name).read_bytes()
    assert read_detector(folder.parent / "b").sha256 == again.sha256


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["facts", "text/text", "logit_scale"], 1.0),
        (["facts", "gaussians/labels", "norm"], "unit"),
        (["facts", "gaussians/logits", "space"], "plp"),
        (["facts", "gaussians/labels", "condition_number"], 1.0),
        (["features", "norm"], "unit"),
        (["facts", "fitted_on", "bank", "key"], "another"),
        (["not_applicable", "heads/ft"], "no reason"),
        (["backbone"], "other"),
    ],
)
def test_whatever_was_changed_afterwards_is_refused(folder, path, value):
    """Each of these gave other scores, or the same under another name, without a word."""
    tell(folder, changed(told(folder), path, value), rehash=False)
    with pytest.raises(DetectorError, match=r"json was changed .* -f fit@tiny`") as caught:
        read_detector(folder)
    assert str(folder / "detector.json") in str(caught.value)


def test_changed_arrays_are_refused(folder):
    content = bytearray((folder / "detector.safetensors").read_bytes())
    content[-5] ^= 1
    (folder / "detector.safetensors").write_bytes(content)
    with pytest.raises(DetectorError, match="safetensors is not the file that was written; fit"):
        read_detector(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"detector\.json must hold a mapping, got a list; fit again: `dvc repro -f fit@ti"),
        ("null", "must hold a mapping, got a NoneType"),
        ("{}", "has detector format None, this code reads 2; fit again"),
        ('{"format": 1}', "has detector format 1, this code reads 2; fit again"),
        ('{"format": 2}', "must say 'arrays_sha256' as a str, got None; fit again"),
        ('{"format": 2, "arrays_sha256": "a", "backbone": 3}', "'backbone' as a str, got 3"),
        ("{", "holds no readable detector"),
    ],
)
def test_a_description_of_another_shape_is_refused(folder, text, message):
    (folder / "detector.json").write_text(text)
    with pytest.raises(DetectorError, match=message):
        read_detector(folder)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["features", "norm"], None, "features.norm must be one of raw, unit, got None"),
        (["features", "space"], "lp", "features.space must be one of features, joint, got 'lp'"),
        (["features"], {}, "features.width must be a whole number above 0, got None"),
        (["facts", "fitted_on"], None, "facts.fitted_on.bank must be a mapping, got None"),
        (["facts", "fitted_on"], {}, "facts.fitted_on.bank must be a mapping, got None"),
        (["facts", "fitted_on", "bank"], {}, "bank.dataset must be a text, got None"),
        (["facts", "fitted_on", "bank", "key"], None, "bank.key must be a text, got None"),
        (["facts", "fitted_on", "bank", "rows"], "10", "bank.rows must be a whole .*, got '10'"),
        (["facts", "fitted_on", "bank", "rows"], True, "bank.rows must be a whole .*, got True"),
        (["facts", "fitted_on", "bank", "rows"], 10, r"must have the shape \[m=10\], got \[90\]"),
        (["facts", "text/text"], None, "facts.text/text must be a mapping, got None"),
        (
            ["facts", "text/text", "logit_scale"],
            "abc",
            "logit_scale must be a number .*, got 'abc'",
        ),
        (["facts", "text/text", "logit_scale"], -1, "must be a number above 0, or null, got -1"),
        (["facts", "gaussians/labels"], None, "facts.gaussians/labels must be a mapping, got None"),
        (["facts", "gaussians/labels", "norm"], "junk", "norm must be one of stored, unit, got 'j"),
        (["facts", "gaussians/labels", "classes"], 1, "one of labels, pseudo_labels, kmeans, got"),
        (
            ["facts", "gaussians/logits", "space"],
            "few_shot",
            "space must be one of features, zero_shot, lp, plp, got 'few_shot'",
        ),
        (["facts", "gaussians/labels", "space"], "lp", r"'centre' must have the shape \[d=3\]"),
        (["not_applicable", "heads/ft"], 5, "not_applicable.heads/ft must be a text, got 5"),
    ],
)
def test_facts_that_no_fit_writes_are_refused(folder, path, value, message):
    """With its own hash, as a mistake in another program would have it."""
    tell(folder, changed(told(folder), path, value))
    with pytest.raises(DetectorError, match=f"{message}.*; fit again: `dvc repro -f fit@tiny`"):
        read_detector(folder)


def test_an_array_file_of_another_kind_is_refused(folder):
    put(folder, b"no tensors")
    with pytest.raises(DetectorError, match="is no safetensors file .*; fit again"):
        read_detector(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "gaussians/labels/centre",
            None,
            "gaussians/labels: must hold the arrays centre.* missing",
        ),
        ("gaussians/labels/foo", lambda _: np.zeros(3), "'foo' is none of them"),
        ("gaussians/labels/centre", lambda a: a[:-1], r"'centre' must have the shape \[d=8\], got"),
        ("gaussians/labels/means", lambda a: a * np.nan, "labels: 'means' must be finite, got nan"),
        ("gaussians/labels/means", lambda a: a.astype("f4"), "'means' must be float64, got float3"),
        ("gaussians/labels/global_variances", lambda a: -a, "'global_variances' must be above 0"),
        (
            "energies/plp/energies",
            lambda a: a[:-5],
            r"'energies' must have the shape \[m=90\], got",
        ),
        (
            "heads/lp/weight",
            lambda a: a[:-1],
            r"heads/lp: 'weight' must have the shape \[c=3 d=8\]",
        ),
        ("heads/lp/std", lambda a: a * 0, "heads/lp: 'std' must be above 0, got 0.0"),
        ("residuals/lp/basis", lambda a: a[1:], r"'basis' must have the shape \[d=8 r\], got"),
        ("residuals/mean/scale", lambda _: np.ones(2), r"'scale' must have the shape \[\], got"),
        ("text/text/class_embeddings", None, "text/text: must hold the arrays class_embeddings"),
        ("text/text/projection", lambda a: a[1:], r"'projection' must have the shape \[d=8 e"),
        (
            "posteriors/plp/posteriors",
            lambda a: a[:, 1:],
            r"have the shape \[p c=3\], got \[3, 2\]",
        ),
        (
            "magic/lp/wand",
            lambda _: np.ones(2),
            "unknown part 'magic/lp'; known kinds: text, heads",
        ),
        ("wand", lambda _: np.ones(2), "unknown part ''; known kinds: text, heads"),
    ],
)
def test_arrays_that_no_fit_writes_are_refused(folder, name, change, message):
    """With their own hash: missing, too many, or of another size than what they are used with."""
    arrays = load_file(folder / "detector.safetensors")
    array = arrays.pop(name, None)
    if change is not None:
        arrays[name] = change(array)
    put(folder, save(arrays))
    with pytest.raises(DetectorError, match=f"{message}.*; fit again"):
        read_detector(folder)


def test_joint_features_are_as_wide_as_their_texts(tmp_path):
    """Without a projection the class embeddings are what the features are compared with."""
    texts = {"text/text": {"class_embeddings": np.eye(3, dtype=np.float32)}}
    facts = {
        "fitted_on": {"bank": {"dataset": "bank", "key": "k", "rows": 9}},
        "text/text": {"logit_scale": None},
    }
    for width in (3, 4):
        features = {"width": width, "norm": "raw", "space": "joint"}
        write_detector(tmp_path / "tiny", Detector("tiny", features, texts, facts))
        if width == 3:
            assert read_detector(tmp_path / "tiny").parts.keys() == texts.keys()
        else:
            with pytest.raises(DetectorError, match=r"must have the shape \[c e=4\], got \[3, 3\]"):
                read_detector(tmp_path / "tiny")


def test_a_part_that_was_not_fitted_says_where_to_name_it(detector):
    with pytest.raises(
        ValueError, match=r"unknown energies 'lp' .* known: plp, zero_shot; .* name"
    ):
        detector.part("energies", "lp")
