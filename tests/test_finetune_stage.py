"""The stage finetune, from image files to a backbone that loads, and its head `ft`."""

import json
import sys

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from filelock import FileLock
from PIL import Image

from pipeline.backbones.loading import load_backbone
from pipeline.backbones.weights import write_record
from pipeline.datasets.index import write_index
from pipeline.extraction.locks import CacheError
from pipeline.stage import told
from pipeline.training import finetune_job
from pipeline.training.classifier_head import classifier_head
from pipeline.training.finetune_job import training_devices
from pipeline.training.finetune_recipe import FinetuneRecipe
from stages import finetune, probe

TINY = {
    "loader": "timm",
    "name": "test_resnet",
    "kwargs": {"num_classes": 0},
    "transform": {"input_size": [3, 32, 32], "crop_pct": 1.0},
}
PARAMS = {
    "models": {
        "start": {**TINY, "random_weights": True, "seed": 3},
        "ft": {**TINY, "finetune": {"start": "start", "epochs": 6, "batch_size": 8}},
    },
    "finetune": {"warmup_epochs": 1, "learning_rate": 0.1, "ema": 0.5, "device": "cpu"},
    "datasets": {"bank": "images"},
    "images": {},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Dark and bright pictures, their index, the start's record, params.yaml."""
    rng = np.random.default_rng(0)
    rows = []
    for label, name in enumerate(("bright", "dark")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(9):
            pixels = rng.integers(0, 100, size=(32, 32, 3)) + 150 * (1 - label)
            path = f"{name}/{number}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / path)
            rows.append({"row": None, "path": path, "label": label, "class_name": name})
    table = pl.DataFrame(rows).with_columns(
        sha256=pl.lit(None, pl.String), error=pl.lit(None, pl.String)
    )
    write_index(tmp_path / "bank.parquet", table)
    entry = PARAMS["models"]["start"]
    record = {"backbone": "start", "entry": entry, "sha256": "random weights, seed 3"}
    write_record(tmp_path / "start", record)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OOD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def command(monkeypatch, weights):
    arguments = ["finetune", "ft", "start", "start", "bank", "bank.parquet", weights]
    monkeypatch.setattr(sys, "argv", arguments)
    finetune.main()


def test_the_result_is_a_backbone_with_a_classifier(folder, monkeypatch, capsys):
    command(monkeypatch, "ft")
    entry = PARAMS["models"]["ft"]

    backbone = load_backbone("ft", entry, folder / "ft")
    head = classifier_head("ft", entry, folder / "ft", classes=2)
    pictures = [Image.open(path) for path in sorted((folder / "images").rglob("*.png"))]
    with torch.inference_mode():
        features = backbone.encode(torch.stack([backbone.transform(p) for p in pictures]))

    assert (head.logits(features.numpy()).argmax(1) == np.repeat([0, 1], 9)).mean() > 0.9
    assert "fine-tuned from start, 2 classes" in capsys.readouterr().out
    assert not list((folder / "cache").rglob("*.pt"))


def test_the_same_bytes_twice(folder, monkeypatch):
    for name in ("one", "two"):
        command(monkeypatch, name)

    for file in ("model.safetensors", "head.safetensors", "weights.json"):
        assert (folder / "one" / file).read_bytes() == (folder / "two" / file).read_bytes()


def test_two_runs_of_one_training_do_not_write_one_checkpoint(folder, monkeypatch):
    """As an orphan and the run that DVC started anew; nor may --prune take it from a run."""
    monkeypatch.setattr(finetune, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(finetune, "training_key", lambda *_, **__: "key")
    (folder / "cache/finetuning").mkdir(parents=True)

    with (
        FileLock(folder / "cache/finetuning/key.lock"),
        pytest.raises(CacheError, match="ft is being fine-tuned by .* wait for it or stop it"),
    ):
        command(monkeypatch, "ft")
    assert not (folder / "ft").exists()


def test_what_is_kept_is_recorded_with_the_weights_and_doubted(folder, monkeypatch, capsys):
    """0.99 over 12 steps leaves 89 % of the start; the last weights are other ones."""
    for keep in ("average", "last"):
        changed = {**PARAMS, "finetune": {**PARAMS["finetune"], "ema": 0.99, "keep": keep}}
        (folder / "params.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
        command(monkeypatch, keep)
        assert json.loads((folder / keep / "weights.json").read_text())["kept"] == keep
        doubted = "warning: ft: the average that is kept still holds 89%" in capsys.readouterr().err
        assert doubted == (keep == "average")

    average, last = ((folder / n / "model.safetensors").read_bytes() for n in ("average", "last"))
    assert average != last


def test_another_start_than_the_entrys_is_refused(folder, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["finetune", "ft", "ft", "start", "bank", "bank.parquet", "ft"]
    )

    with pytest.raises(ValueError, match="must be the START of the command line, got 'start'"):
        finetune.main()


def test_a_misspelt_override_is_refused(folder, monkeypatch):
    entry = {"finetune": {"start": "start", "epoch": 3}}

    with pytest.raises(ValueError, match="unknown parameter 'models.ft.finetune.epoch'"):
        finetune.recipe_of("ft", entry, "start")


def test_the_head_ft_joins_the_heads_or_says_why_not(folder, monkeypatch):
    command(monkeypatch, "ft")
    for classes, applicable in ((2, True), (3, False)):
        probes = {}
        summary = {"backbone": "ft", "classes": classes, "heads": {}}
        probe.add_classifier(probes, summary, folder / "ft")

        assert summary["heads"]["ft"]["applicable"] is applicable
        assert ("ft" in probes) is applicable
    assert summary["heads"]["ft"]["reason"] == "its classifier has 2 classes, the ID set has 3"


def test_a_gpu_that_is_not_there_is_told_in_the_words_of_the_other_stages(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finetune.device is cuda, but torch sees no GPU; set it"):
        training_devices(FinetuneRecipe(device="cuda"))


def test_a_full_gpu_says_what_to_lower(folder, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(finetune_job, "finetune", full)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        command(monkeypatch, "ft")
    assert told(caught.value) == "CUDA out of memory.; lower finetune.batch_size (now 8)"


@pytest.mark.slow
def test_two_processes_train_one_model(folder, monkeypatch):
    """Two share every batch of 8 in pairs; the result is a backbone as good as any."""
    monkeypatch.setattr(finetune, "training_devices", lambda recipe: ["cpu", "cpu"])
    command(monkeypatch, "ft")

    head = classifier_head("ft", PARAMS["models"]["ft"], folder / "ft", classes=2)
    assert np.isfinite(head.weight).all()
