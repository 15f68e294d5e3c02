import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from safetensors.torch import load_file

from pipeline.glyph_world.glyph_sets import group_classes
from pipeline.glyph_world.pretraining import build_model, normalise, train
from pipeline.glyph_world.pretraining_check import knn_classify, zero_shot_classes
from pipeline.glyph_world.pretraining_pairs import PairParams, draw_pairs
from pipeline.glyph_world.pretraining_params import CheckParams, PretrainParams, TrainParams
from pipeline.params import from_mapping
from stages.pretrain import run

ROOT = Path(__file__).parent.parent
CONFIG = {
    "embed_dim": 8,
    "vision_cfg": {
        "timm_model_name": "test_resnet",
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 32,
    },
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
    },
}
ENTRY = {
    "loader": "open_clip",
    "model_cfg": CONFIG,
    "pretrain": {"steps": 3, "batch_size": 16},
}
PARAMS = PretrainParams(
    threads=None,
    log_every=2,
    pairs=PairParams(count=60),
    check=CheckParams(train_per_class=2, test_per_class=1),
)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    weights = tmp_path_factory.mktemp("weights") / "tiny"
    return weights, run("tiny", ENTRY, PARAMS, weights)


def test_one_seed_gives_one_file(pretrained, tmp_path):
    weights, record = pretrained
    again = run("tiny", ENTRY, PARAMS, tmp_path / "again")

    assert record == again
    assert (weights / "model.safetensors").read_bytes() == (
        tmp_path / "again" / "model.safetensors"
    ).read_bytes()
    assert json.loads((weights / "weights.json").read_text(encoding="utf-8")) == record


def test_another_seed_gives_another_file(pretrained, tmp_path):
    other = run("tiny", ENTRY, PretrainParams(**{**vars(PARAMS), "seed": 1}), tmp_path / "other")

    assert other["sha256"] != pretrained[1]["sha256"]


def test_plain_open_clip_opens_the_folder_and_sees_the_images_of_training(pretrained):
    """open_clip's own loader gives the weights, and its transform the pixels `train` saw."""
    weights, _ = pretrained
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{weights}")
    images, _ = draw_pairs(PARAMS.pairs)

    state = load_file(weights / "model.safetensors")
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    file = io.BytesIO()
    Image.fromarray(images[0]).save(file, format="PNG")
    torch.testing.assert_close(transform(Image.open(file)), normalise(images[:1])[0])
    tokenizer = open_clip.get_tokenizer(f"local-dir:{weights}")
    assert tokenizer(["latin capital letter a"]).shape == (1, 16)


def test_features_before_the_projection_are_wider_than_the_joint_space(pretrained):
    weights, _ = pretrained
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{weights}")
    with torch.no_grad():
        images = normalise(np.zeros((2, 32, 32, 3), dtype=np.uint8))
        trunk = model.visual.trunk(images)
        joint = model.encode_image(images)
        projected = trunk @ model.visual.head.proj.weight.T

    assert trunk.shape == (2, 96)
    torch.testing.assert_close(joint, projected)


def test_training_aligns_pairs_it_has_seen():
    """Eight pairs, learnt by heart: each image finds its own caption."""
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    captions = [f"letter {c}" for c in "abcdefgh"]
    losses = []
    model = build_model(CONFIG, logit_scale=10.0, seed=0)
    recipe = TrainParams(steps=40, batch_size=8, learning_rate=3e-3)
    last = train(
        model,
        images,
        captions,
        params=recipe,
        seed=0,
        report=lambda step, loss: losses.append((step, loss)),
    )
    model.train()  # batch statistics: forty steps are few for running averages
    with torch.no_grad():
        tokens = open_clip.SimpleTokenizer(context_length=16)(captions)
        cosines = (
            model.encode_image(normalise(images), normalize=True)
            @ model.encode_text(tokens, normalize=True).T
        )

    assert [step for step, _ in losses] == list(range(1, 41))
    assert last == losses[-1][1] < losses[0][1]
    assert cosines.argmax(dim=1).tolist() == list(range(8))


def test_class_vectors_are_normalised_before_and_after_the_mean_over_prompts():
    model = build_model(CONFIG, logit_scale=10.0, seed=0).eval()
    names = group_classes("latin")[:3]
    with torch.inference_mode():
        found = zero_shot_classes(model, names)
        prompts = ["photo of a", "blurry photo of a", "photo of many", "photo of the large"]
        texts = [f"a {p} {names[1]}." for p in [*prompts, "photo of the small"]]
        tokens = open_clip.SimpleTokenizer(context_length=16)(texts)
        each = F.normalize(model.encode_text(tokens), dim=1)

    torch.testing.assert_close(found[1], F.normalize(each.mean(dim=0), dim=0))


def test_neighbours_vote_by_weight_not_by_count():
    """One neighbour at cosine 1 outvotes three of another class at cosine 0.9."""
    near = torch.tensor([0.9, (1 - 0.81) ** 0.5])
    bank = torch.stack([torch.tensor([1.0, 0.0]), near, near, near])
    found = knn_classify(torch.tensor([[2.0, 0.0]]), bank, torch.tensor([1, 0, 0, 0]), classes=2)

    assert found.tolist() == [1]


def test_lines_tell_steps_and_loss_without_a_terminal(tmp_path, capsys):
    run("tiny", ENTRY, PARAMS, tmp_path / "tiny")

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(", ")[0] for line in lines if "step" in line] == [
        "tiny: step 2 of 3",
        "tiny: step 3 of 3",
    ]


def test_the_stage_refuses_a_model_that_is_not_pretrained_here(tmp_path):
    with pytest.raises(ValueError, match=r"models\.vit_h is not pretrained here"):
        run("vit_h", {"loader": "open_clip", "name": "ViT-H-14"}, PARAMS, tmp_path)
    with pytest.raises(ValueError, match=r"unknown parameter 'models\.tiny\.pretrain\.stepps'"):
        run("tiny", {**ENTRY, "pretrain": {"stepps": 3}}, PARAMS, tmp_path)


def test_schedules_and_pairs_that_cannot_train_are_refused():
    with pytest.raises(ValueError, match=r"pretrain\.steps must be at least 1"):
        TrainParams(steps=0)
    model = build_model(CONFIG, logit_scale=10.0, seed=0)
    with pytest.raises(ValueError, match="3 images and 3 captions .* fill a batch of 8"):
        train(
            model,
            np.zeros((3, 32, 32, 3), dtype=np.uint8),
            ["a", "b", "c"],
            params=TrainParams(steps=1, batch_size=8),
            seed=0,
        )


def test_the_committed_family_fits_the_schemas():
    """Every mini model builds, and the models grow."""
    conf = yaml.safe_load((ROOT / "conf/models/mini.yaml").read_text(encoding="utf-8"))
    from_mapping(PretrainParams, conf["pretrain"], section="pretrain")
    sizes = []
    for name, entry in conf["models"].items():
        from_mapping(TrainParams, entry["pretrain"], section=name)
        model = build_model(entry["model_cfg"], logit_scale=30.0, seed=0)
        sizes.append(sum(parameter.numel() for parameter in model.visual.parameters()))
    assert sizes == sorted(sizes)


def test_rendering_needs_no_torch():
    """The render stage stays light: torch alone costs seconds in each of eight runs."""
    code = "import sys, stages.render; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
