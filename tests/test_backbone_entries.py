"""Entries of the backbone table: what would be passed over is refused, with the cure."""

import json
import re
import subprocess
import sys

import polars as pl
import pytest
import torch
from torch import nn

from pipeline.backbones.feature_width import feature_width
from pipeline.backbones.loading import load_backbone
from pipeline.backbones.model_spec import model_spec
from pipeline.backbones.weights import write_record
from pipeline.code_closure import ROOT
from pipeline.datasets.images import ImageParams
from pipeline.params import load_yaml, read_section
from pipeline.sources import open_source, read_spec
from pipeline.training.finetune_job import Job
from pipeline.training.finetune_recipe import FinetuneRecipe
from pipeline.training.finetuning import Place
from stages import pretrain

TIMM = {"loader": "timm", "name": "test_resnet"}
CLIP = {"loader": "open_clip", "name": "ViT-B-16", "pretrained": "openai"}
CFG = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 8, "layers": 1, "width": 32, "head_width": 16, "patch_size": 4},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


def recorded(folder, name):
    write_record(folder / name, {"backbone": name, "sha256": "random weights, seed 0"})
    return folder / name


def test_every_entry_of_this_project_passes():
    for name, entry in read_section("models").items():
        assert model_spec(name, entry).loader == entry["loader"]


def test_every_entry_that_the_readme_shows_passes():
    """One of them set the mean of the pixels alone, to which timm put ImageNet's deviations."""
    [shown] = re.findall(r"```yaml\n(models:\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    entries = load_yaml(shown)["models"]
    assert "my_net" in entries
    for name, entry in entries.items():
        assert model_spec(name, entry).loader == entry["loader"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("vit_base_patch16_224", "vit_base_patch16_224.mae"),
        ("vit_base_patch16_224.dino", "vit_base_patch16_224.mae"),
    ],
)
def test_a_timm_tag_in_open_clips_place_would_load_other_weights(name, written):
    with pytest.raises(ValueError, match=f"models.mae.pretrained.*write `name: {written}`"):
        model_spec("mae", {"loader": "timm", "name": name, "pretrained": "mae"})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (TIMM | {"space": "joint"}, "models.x.space is not read by the loader 'timm': remove it"),
        (TIMM | {"config": "a.json"}, "models.x.config is not read by the loader 'timm'"),
        (CLIP | {"norm": "unit"}, "models.x.norm is not read by the loader 'open_clip'"),
        (CLIP | {"finetune": {"start": "y"}}, "models.x.finetune is not read by the loader 'open"),
        (CLIP | {"preprocess_cfg": {}}, "unknown parameter 'models.x.preprocess_cfg'"),
        (
            {"loader": "features", "files": {"a": "a.npy"}, "transform": {"mean": [0, 0, 0]}},
            "models.x.transform is not read by the loader 'features': remove it; it reads class_em",
        ),
        (CLIP | {"config": "a.json"}, "must set `name` or `config`, not both"),
        (
            TIMM | {"checkpoint": "a.pt", "random_weights": True},
            "must set `random_weights` or `checkpoint`, not both: .*null .false",
        ),
        (TIMM | {"finetune": {"start": "y"}, "random_weights": True}, "`finetune` or `random_we"),
        (
            {"loader": "open_clip", "model_cfg": CFG, "pretrain": {"steps": 1}, "checkpoint": "a"},
            "must set `pretrain` or `checkpoint`, not both",
        ),
        (CLIP | {"model_cfg": CFG}, "must set `model_cfg` and `pretrain` together"),
    ],
)
def test_a_key_that_would_be_passed_over_is_refused(entry, message):
    with pytest.raises(ValueError, match=message):
        model_spec("x", entry)


def test_what_is_null_or_the_default_is_not_set():
    spec = model_spec("x", TIMM | {"pretrained": None, "space": None, "transform": {"mean": None}})

    assert spec.transform == {}


@pytest.mark.parametrize(
    ("entry", "transform", "message"),
    [
        (
            TIMM,
            {"maen": [0, 0, 0]},
            "unknown parameter 'models.x.transform.maen'; known: crop_",
        ),
        (TIMM, {"size": 32}, "unknown parameter 'models.x.transform.size'; .*input_size"),
        (CLIP, {"input_size": [3, 32, 32]}, "unknown parameter .*input_size'; .*size, std"),
        (CLIP, {"crop_pct": 1.0}, "unknown parameter 'models.x.transform.crop_pct'"),
        (TIMM, {"mean": [0.5, 0.5]}, "'models.x.transform.mean' must be three numbers from 0 to 1"),
        (CLIP, {"mean": [124, 116, 104]}, r"divide by 255.*got \[124.0, 116.0, 104.0\]"),
        (
            TIMM,
            {"mean": [0.5] * 3},
            "mean and std together, got mean alone, .* 'models.x.transform.std",
        ),
        (
            CLIP,
            {"std": [0.5] * 3},
            "together, got std alone, .*; give 'models.x.transform.mean' too",
        ),
        (CLIP, {"std": 0.5}, "'models.x.transform.std' must be a list, got 0.5"),
        (TIMM, {"std": [0.5, 0.0, 0.5]}, "std' must be three numbers above 0"),
        (TIMM, {"interpolation": "cubic"}, "must be one of nearest, bilinear, bicubic, box"),
        (CLIP, {"interpolation": "lanczos"}, "must be one of bicubic, bilinear, got 'lanczos'"),
        (CLIP, {"resize_mode": "longer"}, "must be one of shortest, longest, squash"),
        (CLIP, {"size": 0}, "'models.x.transform.size' must be a number of pixels above 0"),
        (CLIP, {"size": [3, 32, 32]}, "or two: height and width"),
        (CLIP, {"fill_color": 256}, "'models.x.transform.fill_color' must be from 0 to 255"),
        (TIMM, {"input_size": [1, 28, 28]}, r"must be \[3, height, width\]"),
        (TIMM, {"input_size": [32, 32]}, r"must be \[3, height, width\]"),
        (TIMM, {"crop_pct": 0}, "crop_pct' must be above 0 and at most 1, got 0"),
        (TIMM, {"crop_pct": 87.5}, "crop_pct' must be above 0 and at most 1, got 87.5"),
        (TIMM, {"crop_mode": "centre"}, "must be one of center, squash, border"),
    ],
)
def test_a_transform_the_loader_cannot_honour_is_refused(entry, transform, message):
    with pytest.raises(ValueError, match=message):
        model_spec("x", entry | {"transform": transform})


def test_whole_numbers_become_floats_and_what_is_not_set_stays_out():
    spec = model_spec(
        "x", CLIP | {"transform": {"mean": [0, 0, 1], "std": [1, 1, 1], "size": [64, 32]}}
    )

    assert spec.transform == {"mean": [0.0, 0.0, 1.0], "std": [1.0] * 3, "size": [64, 32]}
    assert all(isinstance(number, float) for number in spec.transform["mean"])


@pytest.mark.parametrize("loader", ["timm", "open_clip"])
def test_an_argument_the_model_does_not_take_is_named_with_its_place(tmp_path, loader):
    model = {"timm": "test_resnet", "open_clip": "RN50"}[loader]
    entry = {"loader": loader, "name": model, "random_weights": True, "kwargs": {"num_clases": 3}}

    with pytest.raises(ValueError, match=rf"models.m.kwargs .*{loader}'s .*'{model}'.*num_clases"):
        load_backbone("m", entry, recorded(tmp_path, "m"))


def test_a_size_a_timm_model_does_not_take_is_named_with_a_cure_that_works(tmp_path):
    entry = {"loader": "timm", "name": "vit_tiny_patch16_224", "random_weights": True}
    entry |= {"transform": {"input_size": [3, 32, 48]}}
    weights = recorded(tmp_path, "m")

    with pytest.raises(ValueError, match=r"input_size must .* got 32 x 48 .*m.kwargs.img_size"):
        load_backbone("m", entry, weights)
    assert load_backbone("m", entry | {"kwargs": {"img_size": [32, 48]}}, weights).width == 192


def test_a_size_an_open_clip_model_does_not_take_is_named_with_a_cure_that_works(tmp_path):
    (tmp_path / "tiny.json").write_text(json.dumps(CFG), encoding="utf-8")
    entry = {"loader": "open_clip", "config": str(tmp_path / "tiny.json"), "random_weights": True}
    entry |= {"transform": {"size": 16}}
    weights = recorded(tmp_path, "m")

    with pytest.raises(ValueError, match=r"transform.size .* 16 x 16 .*m.kwargs.force_image_size"):
        load_backbone("m", entry, weights)
    assert load_backbone("m", entry | {"kwargs": {"force_image_size": 16}}, weights).width == 32


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    ],
)
def test_an_error_of_the_device_is_not_called_one_of_the_size(error):
    def broken(pixels):
        raise error

    tower = nn.Identity()
    tower.forward = broken
    with pytest.raises(type(error)) as caught:
        feature_width(tower, (4, 4), device=torch.device("cpu"), setting="a", cure="b")
    assert caught.value is error


def test_fine_tuning_names_the_argument_too(tmp_path):
    """The tower it starts from loads; its own model is the one with the misspelt argument."""
    job = Job(
        backbone="m",
        entry=TIMM | {"kwargs": {"num_classes": 0, "drop": 1}, "finetune": {"start": "s"}},
        start="s",
        start_entry=TIMM | {"random_weights": True},
        start_weights=recorded(tmp_path, "s"),
        index=pl.DataFrame({"label": [0, 1], "class_name": ["a", "b"]}),
        source=open_source(read_spec("bank", str(tmp_path))),
        images=ImageParams(),
        recipe=FinetuneRecipe(start="s"),
        checkpoint=tmp_path / "epochs.pt",
    )

    with pytest.raises(ValueError, match=r"models.m.kwargs must hold .*'test_resnet'.*'drop'"):
        job.train(Place(torch.device("cpu")))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"embed_dm": 8}, "embed_dm"), ({"vision_cfg": {"layer": 1}}, "layer")],
)
def test_a_misspelt_configuration_is_named_before_training(tmp_path, change, named):
    entry = {"loader": "open_clip", "model_cfg": CFG | change, "pretrain": {"steps": 1}}
    params = read_section("pretrain") | {"pairs": {"count": 60}}
    params = pretrain.from_mapping(pretrain.PretrainParams, params, section="pretrain")

    with pytest.raises(ValueError, match=f"models.m.model_cfg must hold .*CLIP .*'{named}'"):
        pretrain.run("m", entry, params, tmp_path / "m")


def test_a_file_that_is_no_model_configuration_is_refused_by_what_it_lacks(tmp_path):
    """open_clip would not register it, and answer with the list of all models it knows."""
    path = tmp_path / "my.json"
    path.write_text(json.dumps({"embed_dim": 8, "vision": {}, "text_cfg": {}}), encoding="utf-8")
    entry = {"loader": "open_clip", "config": str(path), "random_weights": True}

    with pytest.raises(ValueError, match="my.json must be an open_clip .* it lacks vision_cfg"):
        load_backbone("m", entry, recorded(tmp_path, "m"))


def test_checking_an_entry_needs_no_torch():
    """Parameters are checked before every run; torch alone takes seconds to import."""
    code = (
        "import sys; from pipeline.backbones.model_spec import model_spec;"
        f"model_spec('x', {TIMM!r}); sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
