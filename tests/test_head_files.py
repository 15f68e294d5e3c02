"""A folder of heads is what was trained: nothing swapped, added, cut short or of other classes."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.files import file_hash
from pipeline.training.classifier_head import FILE, classifier_head
from pipeline.training.head_files import read_heads, write_heads
from pipeline.training.heads import HeadError, Probe, read_probe, write_probe

SUMMARY = {
    "backbone": "tiny",
    "classes": 3,
    "fitted_on": {"bank": {"key": "k"}},
    "heads": {
        "plp": {"applicable": True},
        "lp": {"applicable": True},
        "ft": {"applicable": False, "reason": "not fine-tuned"},
    },
}


def head(seed, classes=3, width=5):
    rng = np.random.default_rng(seed)
    weight, bias, mean = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((classes, width), classes, width)
    )
    return Probe(weight, bias, mean, np.ones(width, np.float32))


HEADS = {"plp": head(0), "lp": head(1), "lp_seed43": head(2)}


@pytest.fixture
def folder(tmp_path):
    write_heads(tmp_path / "tiny", HEADS, SUMMARY)
    return tmp_path / "tiny"


def tell(folder, **changed):
    said = json.loads((folder / "heads.json").read_text())
    (folder / "heads.json").write_text(json.dumps(said | changed))


def refused(folder, message):
    with pytest.raises(HeadError, match=f"{message}.*; train again: `dvc repro -f probe@tiny`"):
        read_heads(folder)


def test_what_was_written_is_read(folder):
    probes, summary = read_heads(folder)
    assert sorted(probes) == ["lp", "lp_seed43", "plp"]
    for name, probe in probes.items():
        for array in ("weight", "bias", "mean", "std"):
            np.testing.assert_array_equal(getattr(probe, array), getattr(HEADS[name], array))
    assert {key: summary[key] for key in SUMMARY} == SUMMARY
    assert sorted(summary["files"]) == sorted(f"{name}.safetensors" for name in HEADS)


def test_equal_heads_are_equal_bytes(folder, tmp_path):
    write_heads(tmp_path / "again", dict(reversed(HEADS.items())), SUMMARY)
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_a_head_in_the_place_of_another_is_refused(folder):
    (folder / "lp.safetensors").write_bytes((folder / "plp.safetensors").read_bytes())
    refused(folder, "lp.safetensors is not the file that was written")


def test_a_head_that_nobody_trained_is_refused(folder):
    write_probe(folder / "foo.safetensors", head(3))
    refused(folder, "must hold the heads that heads.json lists, lp.*, plp.*, got foo.safetensors")


def test_a_head_that_is_gone_is_missed(folder):
    (folder / "plp.safetensors").unlink()
    refused(folder, "must hold the heads that .* lists, .*; plp.safetensors is missing")


@pytest.mark.parametrize("cut", [slice(-5), slice(3), slice(0)])
def test_a_head_that_was_cut_short_is_refused(folder, cut):
    content = (folder / "lp.safetensors").read_bytes()[cut]
    (folder / "lp.safetensors").write_bytes(content)
    refused(folder, "lp.safetensors is not the file that was written")
    with pytest.raises(HeadError, match="lp.safetensors is no head .*dvc repro -f probe@tiny"):
        read_probe(folder / "lp.safetensors")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (vars(head(1, classes=2)), r"'weight' must have the shape \[c=3 d\], got \[2, 5\]"),
        ({"bias": np.zeros(2, np.float32)}, r"'bias' must have the shape \[c=3\], got \[2\]"),
        ({"mean": np.zeros(1, np.float32)}, r"'mean' must have the shape \[d=5\], got \[1\]"),
        ({"weight": np.full((3, 5), np.nan, np.float32)}, "'weight' must be finite, got nan"),
        ({"std": np.zeros(5, np.float32)}, "'std' must be above 0, got 0.0"),
        ({"bias": np.zeros(3)}, "'bias' must be float32, got float64"),
    ],
)
def test_a_head_that_gives_no_logits_of_the_classes_is_refused(folder, changed, message):
    """As training would write it if it went wrong: with its own hash."""
    path = folder / "lp.safetensors"
    save_file(vars(head(1)) | changed, path)
    files = json.loads((folder / "heads.json").read_text())["files"]
    tell(folder, files=files | {path.name: file_hash(path)})
    refused(folder, f"lp.safetensors: {message}")


def test_a_head_file_that_lacks_an_array_says_which(folder):
    arrays = dict(vars(head(1)))
    del arrays["std"]
    save_file(arrays, folder / "lp.safetensors")
    with pytest.raises(HeadError, match="must hold the arrays bias, mean, std, weight; 'std' is"):
        read_probe(folder / "lp.safetensors")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "heads.json cannot be read"),
        ("[]", "heads.json must hold a mapping, got a list"),
        ("{}", "heads.json must say 'backbone' as a text, got None"),
    ],
)
def test_a_summary_of_another_form_is_refused(folder, text, message):
    (folder / "heads.json").write_text(text)
    refused(folder, message)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classes": "3"}, "must say 'classes' as a whole number, got '3'"),
        ({"classes": True}, "must say 'classes' as a whole number, got True"),
        ({"heads": None}, "must say 'heads' as a mapping, got None"),
        ({"files": None}, "must say 'files' as a mapping, got None"),
        ({"fitted_on": []}, r"must say 'fitted_on' as a mapping, got \[\]"),
        ({"heads": {"lp": 3}}, "must say 'heads.lp' as a mapping, got 3"),
        ({"heads": {"ft": {"applicable": False}}}, "'heads.ft.reason' as a text, got None"),
        ({"heads": {"few_shot": {}}}, "says that 'few_shot' was trained, but lists no few_shot.s"),
    ],
)
def test_a_summary_that_does_not_say_what_is_needed_is_refused(folder, changed, message):
    tell(folder, **changed)
    refused(folder, message)


def test_no_folder_is_named(tmp_path):
    refused(tmp_path / "tiny", "heads.json cannot be read")


def test_the_head_of_a_fine_tuned_model_names_its_own_stage(tmp_path):
    """It comes from the weights folder, which training heads again would not mend."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / FILE).write_bytes(b"abc")
    with pytest.raises(HeadError, match=f"{FILE} is no head .*; train again: `dvc repro -f fine"):
        classifier_head("mine", {}, folder, classes=3)
    write_probe(folder / FILE, dataclasses.replace(head(0), std=np.zeros(5, np.float32)))
    with pytest.raises(HeadError, match="'std' must be above 0, got 0.0; .* finetune@mine`"):
        classifier_head("mine", {}, folder, classes=3)
