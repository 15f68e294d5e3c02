"""Towers: features before the projection, the library's own transform, weights that are checked."""

import json
import re
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.backbones.checkpoints import WeightsError, find_checkpoint
from pipeline.backbones.loading import load_backbone
from pipeline.backbones.local_weights import local_weights
from pipeline.backbones.model_spec import model_spec
from pipeline.backbones.transforms import FloatPixels, by_channel
from pipeline.backbones.weights import write_record
from pipeline.extraction.encoder import TorchEncoder
from pipeline.files import file_hash

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.3], "interpolation": "bilinear"}


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def local_clip(tmp_path_factory) -> tuple[Path, open_clip.CLIP]:
    """A configuration and a checkpoint on disk, and the model that wrote them."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    model = open_clip.CLIP(**TINY).eval()
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "m.safetensors")
    config = {"model_cfg": TINY, "preprocess_cfg": PREPROCESS}
    (folder / "tiny.json").write_text(json.dumps(config), encoding="utf-8")
    return folder, model


def local_entry(folder: Path) -> dict[str, str]:
    """The backbone table's entry for the model of `local_clip`."""
    return {
        "loader": "open_clip",
        "config": str(folder / "tiny.json"),
        "checkpoint": str(folder / "m.safetensors"),
    }


def record(folder: Path, name: str, checkpoint: Path | None) -> Path:
    weights = folder / "weights" / name
    sha256 = file_hash(checkpoint) if checkpoint else "random weights, seed 0"
    write_record(weights, {"backbone": name, "sha256": sha256})
    return weights


def test_a_local_clip_gives_features_before_its_projection(local_clip, photo):
    """features @ projection is open_clip's own embedding, image and text side."""
    folder, model = local_clip
    entry = local_entry(folder)
    weights = record(folder, "tiny", folder / "m.safetensors")

    backbone = load_backbone("tiny", entry, weights)
    image = backbone.transform(photo)[None]
    features = backbone.encode(image).numpy()

    assert backbone.width == features.shape[1] == 64
    assert backbone.space == "features"
    with torch.no_grad():
        expected = model.encode_image(image).numpy()
        words = model.encode_text(open_clip.tokenize(["a cat"], 16), normalize=True).numpy()
    np.testing.assert_allclose(features @ backbone.projection, expected, atol=1e-5)
    np.testing.assert_allclose(backbone.encode_text(["a cat"]), words, atol=1e-6)
    assert backbone.logit_scale == pytest.approx(model.logit_scale.exp().item())


def test_the_transform_is_open_clips_own_and_splits_before_its_normalisation(local_clip, photo):
    folder, _ = local_clip
    entry = local_entry(folder)
    backbone = load_backbone("tiny", entry, record(folder, "tiny", folder / "m.safetensors"))
    own = open_clip.image_transform(
        32, is_train=False, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3), interpolation="bilinear"
    )

    assert torch.equal(backbone.transform(photo), own(photo))
    pixels = backbone.pixels_transform(photo)
    assert 0 <= pixels.min() <= pixels.max() <= 1
    torch.testing.assert_close(backbone.normalise(pixels[None])[0], own(photo))


def test_the_constants_of_the_normalisation_are_sent_to_a_device_once(local_clip, monkeypatch):
    """Whatever mode they are first asked for in, gradients flow through them later.

    Batches of bytes and of floats have the same ones: 255, means, deviations.
    """
    folder, _ = local_clip
    entry = local_entry(folder)
    backbone = load_backbone("tiny", entry, record(folder, "tiny", folder / "m.safetensors"))
    by_channel.cache_clear()
    pixels = torch.rand(2, 3, 4, 4)
    with torch.inference_mode():
        first = backbone.normalise(pixels)
    by_channel((255.0,), pixels.device, pixels.dtype)

    monkeypatch.setattr(torch, "tensor", None)
    again = backbone.normalise(pixels.requires_grad_())

    assert torch.equal(first, again)
    FloatPixels(backbone.mean, backbone.std)(torch.zeros(2, 4, 4, 3, dtype=torch.uint8))
    assert by_channel.cache_info().misses == 3
    (gradient,) = torch.autograd.grad(again.sum(), pixels)
    torch.testing.assert_close(gradient[0, 1], torch.full((4, 4), 1 / 0.2))


def test_joint_space_on_request_keeps_the_projection_inside(local_clip, photo):
    folder, model = local_clip
    entry = {**local_entry(folder), "space": "joint"}
    backbone = load_backbone("tiny", entry, record(folder, "tiny", folder / "m.safetensors"))

    image = backbone.transform(photo)[None]

    assert (backbone.space, backbone.projection, backbone.width) == ("joint", None, 16)
    with torch.no_grad():
        torch.testing.assert_close(backbone.encode(image), model.encode_image(image))


def test_a_timm_tower_feeds_its_own_classifier(tmp_path, photo):
    """Features times the classifier are the model's logits; no text tower, said so."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=5).eval()
    path = tmp_path / "t.safetensors"
    save_file(model.state_dict(), path)
    entry = {
        "loader": "timm",
        "name": "test_resnet",
        "checkpoint": str(path),
        "kwargs": {"num_classes": 5},
        "transform": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3},
    }

    backbone = load_backbone("t", entry, record(tmp_path, "t", path))
    image = backbone.transform(photo)[None]
    weight, bias = backbone.classifier

    assert image.shape == (1, 3, 32, 32)
    with torch.no_grad():
        logits = model(image).numpy()
    np.testing.assert_allclose(backbone.encode(image).numpy() @ weight.T + bias, logits, atol=1e-5)
    assert backbone.encode_text(["a cat"]) is None
    kernels = [p for p in backbone.tower.parameters() if p.ndim == 4]
    assert kernels
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)  # faster


def test_float32_on_a_gpu_is_float32(local_clip):
    """Convolutions take TF32 by default, which the attacks' gradients would pass through."""
    folder, _ = local_clip
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True

    load_backbone("tiny", local_entry(folder), record(folder, "tiny", folder / "m.safetensors"))

    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_weights_that_changed_since_they_were_recorded_are_refused(local_clip, tmp_path):
    folder, _ = local_clip
    entry = local_entry(folder)
    write_record(tmp_path, {"backbone": "tiny", "sha256": "0" * 64})

    with pytest.raises(WeightsError, match="weights of 'tiny' changed"):
        load_backbone("tiny", entry, tmp_path)


def test_weights_of_another_architecture_are_refused(local_clip, tmp_path):
    folder, _ = local_clip
    path = folder / "m.safetensors"
    entry = {"loader": "timm", "name": "test_resnet", "checkpoint": str(path)}

    with pytest.raises(WeightsError, match="does not fit timm's model 'test_resnet'") as told:
        load_backbone("t", entry, record(tmp_path, "t", path))

    message = str(told.value)
    assert re.search(r"it lacks tensors of the model: (\S+, ){5}and \d+ more;", message)
    assert re.search(r"it holds tensors of another: (\S+, ){5}and \d+ more;", message)
    assert message.endswith("it is of another architecture: name the model that it was saved from")


def damaged_file(folder: Path, kind: str, whole: Path) -> Path:
    """A weights file that no library can read: cut, of another form, or of other objects."""
    path = folder / f"{kind}.{'safetensors' if kind == 'cut' else 'pt'}"
    if kind == "cut":
        path.write_bytes(whole.read_bytes()[:20_000])
    elif kind == "renamed":
        path.write_bytes(whole.read_bytes())
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut_pickle":
        torch.save({"weight": torch.zeros(100, 100)}, path)
        path.write_bytes(path.read_bytes()[:20_000])
    else:
        torch.save(torch.nn.Linear(2, 2) if kind == "module" else [1, 2], path)
    return path


@pytest.mark.parametrize("loader", ["open_clip", "timm"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "cut.safetensors must be a whole safetensors file, .*; copy or download it again"),
        ("renamed", "renamed.pt holds safetensors, .*: rename it to renamed.safetensors"),
        ("empty", "empty.pt must be a state_dict of tensors .*; copy or download it again"),
        ("cut_pickle", "cut_pickle.pt must be a state_dict of tensors .*; copy or download"),
        ("module", "module.pt must be a state_dict .*, or save the model's state_dict"),
        ("list", "list.pt must be a state_dict .*, or save the model's state_dict"),
    ],
)
def test_a_damaged_weights_file_is_named_with_the_cure(local_clip, tmp_path, loader, kind, message):
    folder, _ = local_clip
    path = damaged_file(tmp_path, kind, folder / "m.safetensors")
    entry = {"loader": "timm", "name": "test_resnet"} if loader == "timm" else local_entry(folder)

    with pytest.raises(WeightsError, match=f"^weights file .*{message}"):
        load_backbone("t", entry | {"checkpoint": str(path)}, record(tmp_path, "t", path))


def test_a_classifier_of_other_classes_says_what_to_write(tmp_path):
    path = tmp_path / "t.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=3).state_dict(), path)
    entry = {"loader": "timm", "name": "test_resnet", "checkpoint": str(path)}
    weights = record(tmp_path, "t", path)

    with pytest.raises(WeightsError, match=r"write models.t.kwargs: \{num_classes: 3\}"):
        load_backbone("t", entry, weights)

    load_backbone("t", entry | {"kwargs": {"num_classes": 3}}, weights)


def test_a_model_that_its_library_does_not_have_is_named(local_clip, tmp_path):
    path = local_clip[0] / "m.safetensors"
    weights = record(tmp_path, "t", path)
    for loader, name in (("timm", "resnot"), ("open_clip", "ViT-Q")):
        entry = {"loader": loader, "name": name, "checkpoint": str(path)}
        message = f"models.t.name must be a model of {loader}, which has none '{name}'; see "
        with pytest.raises(WeightsError, match=message):
            load_backbone("t", entry, weights)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"embed_dim": 16 "x": 1}', "broken.json must be .* in JSON: Expecting ',' .*; mend the"),
        ("[1]", "broken.json must be .* a mapping, got a list; mend the file"),
    ],
)
def test_a_configuration_that_is_no_json_is_named(local_clip, tmp_path, text, message):
    folder, _ = local_clip
    config = tmp_path / "broken.json"
    config.write_text(text, encoding="utf-8")
    weights = record(tmp_path, "t", folder / "m.safetensors")

    with pytest.raises(WeightsError, match=message):
        load_backbone("t", local_entry(folder) | {"config": str(config)}, weights)


def test_untrained_weights_need_a_word(tmp_path):
    with pytest.raises(ValueError, match="`random_weights: true`"):
        model_spec("x", {"loader": "open_clip", "name": "ViT-B-32"})
    with pytest.raises(ValueError, match="unknown parameter 'models.x.pretraned'"):
        model_spec("x", {"loader": "open_clip", "name": "ViT-B-32", "pretraned": "openai"})
    with pytest.raises(
        WeightsError, match="timm has no weights 'test_resnet.none'; known: test_resnet"
    ):
        find_checkpoint("x", model_spec("x", {"loader": "timm", "name": "test_resnet.none"}))


def test_random_weights_are_the_same_twice(tmp_path):
    entry = {"loader": "timm", "name": "test_resnet", "random_weights": True}
    weights = record(tmp_path, "r", None)
    image = torch.zeros(1, 3, 160, 160)

    first, second = (load_backbone("r", entry, weights).encode(image) for _ in range(2))

    assert torch.equal(first, second)


def test_missing_weights_name_the_model_and_where_a_file_would_go(tmp_path, monkeypatch):
    """A hub that refuses connections: one error, and a local file is the cure."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("OOD_CHECKPOINTS", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    spec = model_spec(
        "vit_h", {"loader": "open_clip", "name": "ViT-H-14", "pretrained": "laion2b_s32b_b79k"}
    )

    with pytest.raises(WeightsError, match=r"ViT-H-14 / laion2b_s32b_b79k.*were not found") as e:
        find_checkpoint("vit_h", spec)
    assert f"{tmp_path}/vit_h.safetensors" in str(e.value)

    (tmp_path / "vit_h.pt").write_bytes(b"weights")
    assert find_checkpoint("vit_h", spec) == tmp_path / "vit_h.pt"


def test_a_plan_names_the_file_that_a_run_takes(tmp_path, monkeypatch):
    """In the same order; a named checkpoint that is gone is not replaced by another."""
    monkeypatch.setenv("OOD_CHECKPOINTS", str(tmp_path))
    entry = {"loader": "timm", "name": "test_resnet.r160_in1k"}
    spec = model_spec("x", entry)
    for suffix in (".npz", ".bin", ".pt", ".safetensors"):  # the last in the order comes first
        path = tmp_path / f"x{suffix}"
        path.write_bytes(b"weights")
        assert find_checkpoint("x", spec) == local_weights("x", spec) == path

    named = model_spec("x", entry | {"checkpoint": str(tmp_path / "named.pt")})
    assert local_weights("x", named) is None
    with pytest.raises(WeightsError, match=r"models.x.checkpoint = .*named.pt, which does not"):
        find_checkpoint("x", named)
    (tmp_path / "named.pt").write_bytes(b"weights")
    assert find_checkpoint("x", named) == local_weights("x", named) == tmp_path / "named.pt"


def test_an_unknown_tag_lists_the_known_ones():
    spec = model_spec("x", {"loader": "open_clip", "name": "ViT-B-16", "pretrained": "openia"})

    with pytest.raises(WeightsError, match=r"no weights 'openia' for 'ViT-B-16'; its tags: openai"):
        find_checkpoint("x", spec)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_an_encoder_takes_bytes_and_returns_the_features_of_the_whole_transform(
    tmp_path, photo, name
):
    entry = {"loader": "timm", "name": name, "random_weights": True}
    backbone = load_backbone("model", entry, record(tmp_path, "model", None))
    encoder = TorchEncoder(backbone)
    photos = [photo.rotate(90 * turn) for turn in range(4)]

    from_bytes = encoder.encode([[encoder.prepare(each) for each in photos]])
    from_floats = encoder.encode([torch.stack([backbone.transform(each) for each in photos])])

    assert encoder.prepare(photo).dtype == torch.uint8
    torch.testing.assert_close(from_bytes, from_floats, rtol=0, atol=1e-6)
