"""A detector folder that something else wrote, or nothing finished writing."""

import hashlib
import json

import numpy as np
import pytest

from pipeline.detectors.detector import Detector, DetectorError, read_detector, write_detector

PARTS = {"energies/plp": {"energies": np.ones(3, np.float32)}}
FEATURES = {"width": 2, "norm": "raw", "space": "features"}


@pytest.fixture
def folder(tmp_path):
    write_detector(tmp_path / "tiny", Detector("tiny", FEATURES, PARTS))
    return tmp_path / "tiny"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"detector\.json must hold a mapping, got a list; run `dvc repro`"),
        ("null", "must hold a mapping, got a NoneType"),
        ("{}", "has detector format None, this code reads 1"),
        ('{"format": 1}', "must say 'backbone' as a str, got None; run `dvc repro`"),
        ('{"format": 1, "backbone": "a", "features": 3}', "must say 'features' as a dict, got 3"),
    ],
)
def test_a_description_of_another_shape_is_refused(folder, text, message):
    (folder / "detector.json").write_text(text)
    with pytest.raises(DetectorError, match=message):
        read_detector(folder)


def test_an_array_file_of_another_kind_is_refused(folder):
    """With its own hash in the description, as another program would write it."""
    (folder / "detector.safetensors").write_bytes(b"no tensors")
    facts = json.loads((folder / "detector.json").read_text())
    facts["sha256"] = hashlib.sha256(b"no tensors").hexdigest()
    (folder / "detector.json").write_text(json.dumps(facts))
    with pytest.raises(DetectorError, match="is no safetensors file"):
        read_detector(folder)


def test_a_part_that_was_not_fitted_says_where_to_name_it():
    detector = Detector("tiny", FEATURES, PARTS)
    with pytest.raises(ValueError, match=r"unknown energies 'zero_shot' .* known: plp; .* name"):
        detector.part("energies", "zero_shot")
