"""The stage encode_text on a small CLIP, against open_clip's own zero-shot classifier."""

import json
import sys

import numpy as np
import open_clip
import polars as pl
import pytest
import torch
import yaml

from pipeline.backbones import backbone, loading
from pipeline.backbones.weights import write_record
from pipeline.datasets.index import write_index
from pipeline.language.text_params import TextParams
from pipeline.storage.store import read_arrays
from stages import encode_text

NAMES = ["red_fox", "owl", "Red fox"]
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}

ENTRY = {"loader": "open_clip", "config": "tiny.json", "random_weights": True}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An untrained CLIP, a bank of three classes, params.yaml."""
    (tmp_path / "tiny.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    record = {"backbone": "tiny", "entry": ENTRY, "sha256": "random weights, seed 0"}
    write_record(tmp_path / "weights", record)
    rows = [
        {"row": None, "path": f"{name}/0.png", "label": label, "class_name": name}
        for label, name in enumerate(NAMES)
    ]
    table = pl.DataFrame(rows).with_columns(
        sha256=pl.lit(None, pl.String), error=pl.lit(None, pl.String)
    )
    write_index(tmp_path / "bank.parquet", table)
    params = {
        "benchmark": {"class_names": None},
        "text": {"negative_words": "clip_vocabulary", "negative_candidates": 40},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_agrees_with_open_clips_own_classifier(folder, monkeypatch, capsys):
    """Equal names are told; negative words are stored; the same bytes come twice."""
    for out in ("a.zarr", "b.zarr"):
        arguments = ["encode_text", "tiny", "params.yaml", "weights", "bank.parquet", f"out/{out}"]
        monkeypatch.setattr(sys, "argv", arguments)
        encode_text.main()
    arrays, about = read_arrays(folder / "out/a.zarr")

    open_clip.add_model_config(folder / "tiny.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny").eval()
    theirs = open_clip.build_zero_shot_classifier(
        model,
        open_clip.get_tokenizer("tiny"),
        ["red fox", "owl", "Red fox"],
        [lambda name, sentence=s: sentence.replace("{c}", name) for s in about["sentences"]],
    )
    np.testing.assert_allclose(arrays["class_embeddings"], theirs.detach().numpy().T, atol=1e-5)
    assert arrays["projection"].shape == (32, 16)
    assert about["class_names"] == ["red fox", "owl", "Red fox"]
    assert about["equal_names"] == {"red fox": [0, 2]}
    assert about["logit_scale"] == pytest.approx(1 / 0.07, rel=1e-3)
    assert len(about["negative_words"]) == len(arrays["negative_embeddings"]) == 6  # 15 % of 40
    assert "classes 0, 2 are all named 'red fox'" in capsys.readouterr().err
    files = [path for path in sorted((folder / "out/a.zarr").rglob("*")) if path.is_file()]
    for file in files:
        twin = folder / "out/b.zarr" / file.relative_to(folder / "out/a.zarr")
        assert file.read_bytes() == twin.read_bytes()


@pytest.mark.parametrize("given", [True, False])
def test_negative_words_of_imported_features_are_mined_from_their_own_file(tmp_path, given):
    """Half of six vectors, the farthest from both classes first; without a file there are none."""
    angles = np.radians([10, 100, 200, 230, 45, 300])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.save(tmp_path / "classes.npy", np.eye(2))
    np.save(tmp_path / "words.npy", 3 * vectors)
    entry = {"loader": "features", "class_embeddings": str(tmp_path / "classes.npy")}
    if given:
        entry["negative_embeddings"] = str(tmp_path / "words.npy")

    params = TextParams(negative_words="clip_vocabulary", negative_share=0.5)
    arrays, about = encode_text.run("mine", entry, tmp_path, ["a", "b"], None, params)

    assert ("negative_embeddings" in arrays) is given
    assert about["prompts"] == "imported"
    if given:
        expected = vectors[[3, 2, 5]]  # largest cosines to a class: -0.64, -0.34, 0.5
        np.testing.assert_allclose(arrays["negative_embeddings"], expected, atol=1e-6)


def test_the_text_tower_runs_where_a_gpu_is(folder, monkeypatch):
    """cpu:0 is a CPU that can be told from the default; a GPU's kind would stand in the store."""
    asked, load = [], loading.load_backbone

    def spy(name, entry, weights, device):
        asked.append(device)
        return load(name, entry, weights, device)

    monkeypatch.setattr(loading, "load_backbone", spy)
    monkeypatch.setattr(backbone, "pick_device", lambda: torch.device("cpu:0"))
    _, about = encode_text.run("tiny", ENTRY, folder / "weights", NAMES, None, TextParams())

    assert asked == [torch.device("cpu:0")]
    assert "device" not in about
