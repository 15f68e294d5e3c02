"""Crafting a set: real files, a resumable run, the same bytes, and what it refuses."""

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import timm
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch import nn
from torchvision import transforms

from pipeline.attacks import craft_set
from pipeline.attacks.indexed_images import IndexedImages
from pipeline.attacks.repeatable import repeatable
from pipeline.attacks.spec import CraftSpec
from pipeline.attacks.target_files import read_target_inputs
from pipeline.attacks.targets import TargetInputs
from pipeline.backbones.backbone import Backbone
from pipeline.datasets.index import SCHEMA, read_index
from pipeline.sources import open_source, read_spec
from pipeline.training.heads import Probe
from stages import craft

SIZE = 16
SEEDS = (("ood", 14, 1), ("bank", 20, 2))


class Tower(nn.Module):
    """A convolution, a nonlinearity, a mean and a linear map; weights from a seed."""

    def __init__(self, width=8):
        """Draw the weights."""
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 16, 3, stride=2)
        self.second = nn.Linear(16, width)

    def forward(self, images):
        return self.second(torch.tanh(self.first(images)).mean((2, 3)))


def backbone():
    tower = Tower().eval().requires_grad_(requires_grad=False)
    before = transforms.Compose([transforms.Resize(SIZE), transforms.ToTensor()])
    return Backbone(
        name="toy",
        device=torch.device("cpu"),
        tower=tower,
        width=8,
        space="features",
        projection=None,
        logit_scale=None,
        transform=before,
        pixels_transform=before,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        text=None,
        classifier=None,
        description={"weights_sha256": "0"},
    )


def image_set(root: Path, *, n: int, seed: int, classes=("a", "b")) -> IndexedImages:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        label = i * len(classes) // n
        path = f"{classes[label]}/{i:03d}.png"
        (root / classes[label]).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / path)
        rows.append((i, path, label, classes[label], None, None))
    index = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    source = open_source(read_spec("toy", {"path": str(root)}))
    return IndexedImages(index, source, backbone().pixels_transform)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return {
        "ood": image_set(root / "ood", n=14, seed=1),
        "bank": image_set(root / "bank", n=20, seed=2),
    }


def run(sets, folder: Path, *, inputs=None, **numbers) -> pl.DataFrame:
    numbers = {"pairs": 10, "steps": 12, "batch_size": 4, "smoothness": 0.0, **numbers}
    return craft_set.craft_set(
        CraftSpec(ood="ood", **numbers),
        backbone=backbone(),
        inputs=inputs or TargetInputs(),
        images=folder / "images",
        index=folder / "index.parquet",
        steps=folder / "steps.safetensors",
        root=folder / "cache",
        **sets,
    )


def bytes_below(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if "cache" not in p.parts}


def features_of(pixels: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(pixels).float().permute(0, 3, 1, 2) / 255
    return Tower()((tensor - 0.5) / 0.25).detach()


def test_the_index_says_what_the_files_hold(sets, tmp_path):
    run(sets, tmp_path)
    index = read_index(tmp_path / "index.parquet")
    files = [np.asarray(Image.open(tmp_path / "images" / path)) for path in index["path"]]
    sources = [
        np.asarray(Image.open(io.BytesIO(sets["ood"].source.read(sets["ood"].index["path"][row]))))
        for row in index["source_row"]
    ]
    targets = [
        np.asarray(
            Image.open(io.BytesIO(sets["bank"].source.read(sets["bank"].index["path"][row])))
        )
        for row in index["target_row"]
    ]
    crafted, aims, before = (features_of(np.stack(x)) for x in (files, targets, sources))
    cosine = torch.cosine_similarity(crafted, aims).numpy()
    change = (np.stack(files).astype(float) - np.stack(sources)) / 255

    assert len(index) == 10
    assert files[0].dtype == np.uint8
    assert files[0].shape == (SIZE, SIZE, 3)
    np.testing.assert_allclose(index["cosine"], cosine, atol=1e-5)
    np.testing.assert_allclose(index["linf"], np.abs(change).max((1, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(index["l2"], np.sqrt((change**2).sum((1, 2, 3))), atol=1e-5)
    assert (cosine > torch.cosine_similarity(before, aims).numpy()).all()
    assert np.abs(index["cosine"] - index["cosine_float"]).max() < 0.2
    assert index["class_name"].to_list() == [
        sets["ood"].index["class_name"][row] for row in index["source_row"]
    ]


def test_the_steps_file_begins_at_the_noise_and_ends_at_the_files(sets, tmp_path):
    index = run(sets, tmp_path)
    steps = load_file(tmp_path / "steps.safetensors")
    assert steps["steps"].tolist() == [0, 10, 12]
    assert steps["features"].shape == (3, 10, 8)
    np.testing.assert_allclose(steps["objective"][-1], index["cosine"], atol=1e-6)
    np.testing.assert_allclose(steps["l2"][-1], index["l2"], atol=1e-5)
    assert steps["linf"][0].max() < 6e-3
    assert (steps["objective"][-1] > steps["objective"][0]).all()


def test_same_seed_same_bytes_another_seed_others(sets, tmp_path):
    run(sets, tmp_path / "one")
    run(sets, tmp_path / "two")
    run(sets, tmp_path / "three", seed=1)
    assert bytes_below(tmp_path / "one") == bytes_below(tmp_path / "two")
    assert bytes_below(tmp_path / "one") != bytes_below(tmp_path / "three")


def test_variants_share_their_pairs(sets, tmp_path):
    columns = ["source_row", "target_row"]
    patchy = run(sets, tmp_path / "patchy").select(columns)
    smooth = run(sets, tmp_path / "smooth", smoothness=5e3).select(columns)
    assert patchy.equals(smooth)


def test_an_interrupted_run_goes_on_where_it_stopped(sets, tmp_path, monkeypatch):
    run(sets, tmp_path / "whole")
    kept = craft_set.craft_missing

    def interrupted(*args, **kwargs):
        for number, objectives in enumerate(kept(*args, **kwargs)):
            if number == 1:
                raise KeyboardInterrupt
            yield objectives

    monkeypatch.setattr(craft_set, "craft_missing", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(sets, tmp_path / "broken")
    assert not (tmp_path / "broken" / "images").exists()

    crafted = []
    monkeypatch.setattr(
        craft_set, "craft_missing", lambda *a, **k: (crafted.append(o) or o for o in kept(*a, **k))
    )
    run(sets, tmp_path / "broken")
    assert len(crafted) == 1  # two of the three batches were kept
    assert bytes_below(tmp_path / "broken") == bytes_below(tmp_path / "whole")
    assert not list((tmp_path / "broken" / "cache" / "craft").glob("*/*.npz"))


def test_a_kept_image_whose_file_is_damaged_is_crafted_again(sets, tmp_path, monkeypatch):
    """Half a file, no byte, and one bit: each used to count as finished, and to end every run."""

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    run(sets, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(craft_set, "assemble", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(sets, tmp_path / "broken")
    half, empty, bit, *_ = sorted((tmp_path / "broken/cache/craft").glob("*/*.npz"))
    half.write_bytes(half.read_bytes()[:300])
    empty.write_bytes(b"")
    data = bytearray(bit.read_bytes())
    data[300] ^= 1
    bit.write_bytes(data)

    run(sets, tmp_path / "broken")
    assert bytes_below(tmp_path / "broken") == bytes_below(tmp_path / "whole")


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.test_craft import SEEDS, image_set, run
folder = Path(sys.argv[1])
sets = {{name: image_set(folder / name, n=n, seed=s) for name, n, s in SEEDS}}
run(sets, folder / "out", steps=60)
"""


@pytest.mark.slow
def test_a_killed_run_gives_the_bytes_of_an_uninterrupted_one(tmp_path):
    root = str(Path(__file__).parents[1])
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(root=root))
    command = [sys.executable, str(script), str(tmp_path / "a")]
    environment = {**os.environ, "PYTHONPATH": root}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=root
    ) as process:
        first_file = tmp_path / "a" / "out" / "cache" / "craft"
        while process.poll() is None and not list(first_file.glob("*/*.npz")):
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "a" / "out" / "images").exists()

    sets = {name: image_set(tmp_path / "a" / name, n=n, seed=s) for name, n, s in SEEDS}
    run(sets, tmp_path / "a" / "out", steps=60)
    run(sets, tmp_path / "b", steps=60)
    assert bytes_below(tmp_path / "a" / "out") == bytes_below(tmp_path / "b")


def test_a_full_disk_says_what_is_kept(sets, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(craft_set, "assemble", full)
        with pytest.raises(RuntimeError, match="10 of 10 images are kept"):
            run(sets, tmp_path)
    run(sets, tmp_path)
    assert len(read_index(tmp_path / "index.parquet")) == 10


def test_the_cost_is_said_before_it_starts(sets, tmp_path, capsys):
    run(sets, tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("patchy on toy: 10 images of 16 x 16 pixels, 12 steps, batches of 4")
    assert said[1].startswith("this takes about 0.")


def test_every_target_raises_its_objective(sets, tmp_path):
    rng = np.random.default_rng(0)
    bank = torch.stack([sets["bank"].pixels(row) for row in range(20)])
    features = Tower()((bank - 0.5) / 0.25).detach().numpy()
    texts = rng.standard_normal((2, 5)).astype(np.float32)
    inputs = TargetInputs(
        text={
            "class_embeddings": texts / np.linalg.norm(texts, axis=1, keepdims=True),
            "projection": rng.standard_normal((8, 5)).astype(np.float32),
        },
        head=Probe(
            rng.standard_normal((2, 8)).astype(np.float32),
            np.zeros(2, np.float32),
            features.mean(0),
            features.std(0),
        ),
        bank_features=features,
    )
    for target in ("nearest", "class_text", "class_mean", "probe"):
        with repeatable("toy"):
            index = run(sets, tmp_path / target, target=target, inputs=inputs)
        steps = load_file(tmp_path / target / "steps.safetensors")
        assert (steps["objective"][-1] > steps["objective"][0]).mean() > 0.8, target
        assert (index["target_class"].null_count() == 0) == (target != "nearest")
    nearest = read_index(tmp_path / "nearest" / "index.parquet")
    ood = torch.stack([sets["ood"].pixels(row) for row in nearest["source_row"]])
    queries = Tower()((ood - 0.5) / 0.25).detach()
    cosines = torch.cosine_similarity(queries[:, None], torch.from_numpy(features)[None], dim=2)
    assert nearest["target_row"].to_list() == cosines.argmax(1).tolist()


def test_more_restarts_never_end_lower(sets, tmp_path):
    one = run(sets, tmp_path / "one", noise=0.05)
    three = run(sets, tmp_path / "three", noise=0.05, restarts=3)
    assert (three["objective"] >= one["objective"]).all()
    assert three["restart"].max() > 0


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"pairs": 15}, "at most 14, the images of .*, got 15; set craft.defaults.pairs=14"),
        ({"target": "class_text"}, "needs --text"),
        ({"target": "class_mean"}, "needs --bank-store"),
        ({"target": "probe"}, "needs --heads"),
    ],
)
def test_what_is_missing_is_named(sets, tmp_path, numbers, message):
    with pytest.raises(ValueError, match=message):
        run(sets, tmp_path, **numbers)


@pytest.mark.parametrize("target", ["class_text", "class_mean", "probe"])
def test_classes_of_the_bank_that_do_not_count_from_zero_are_refused(sets, tmp_path, target):
    """A class without an image would shift the names of all that follow."""
    index = sets["bank"].index.with_columns(label=pl.col("label") + 1)
    bank = dataclasses.replace(sets["bank"], index=index)
    inputs = TargetInputs(
        text={"class_embeddings": np.eye(3, 8, dtype=np.float32)},
        head=Probe(
            *(np.ones(shape, np.float32) for shape in ((3, 8), 3, 8, 8)),
        ),
        bank_features=np.random.default_rng(0).standard_normal((20, 8), np.float32),
    )
    with pytest.raises(ValueError, match="ID class 0 has no training row"):
        run({**sets, "bank": bank}, tmp_path, target=target, inputs=inputs)


def test_a_file_that_changed_since_it_was_indexed_is_refused(sets):
    index = sets["ood"].index.with_columns(sha256=pl.lit("0" * 64))
    changed = IndexedImages(index, sets["ood"].source, sets["ood"].pixels_transform)
    with pytest.raises(ValueError, match="changed since it was indexed"):
        changed.pixels(0)


def test_a_set_with_a_surrogate_of_its_own_is_not_crafted_on_another(tmp_path, monkeypatch):
    entry = {"source": "craft", "ood": "greek", "surrogate": "large"}
    params = {"datasets": {"smooth": entry}, "craft": {"defaults": {"pairs": 4}}}
    (tmp_path / "params.yaml").write_text(json.dumps(params), encoding="utf-8")  # YAML too
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["craft", "smooth", "small", *"abcdef"])

    with pytest.raises(ValueError, match="names the surrogate 'large', but this run attacks 'sma"):
        craft.main()


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_resnet"])
def test_the_gradient_of_a_tower_needs_no_operation_that_repeats_badly(name):
    torch.manual_seed(0)
    kwargs = {"img_size": 32} if name == "test_vit" else {}
    tower = timm.create_model(name, num_classes=0, **kwargs).eval().requires_grad_(False)
    pixels = torch.rand(2, 3, 32, 32, requires_grad=True)
    with repeatable(name), torch.autocast("cpu", torch.bfloat16):
        features = tower(pixels).float()
        (gradient,) = torch.autograd.grad((features * torch.randn_like(features)).sum(), pixels)
    assert gradient.any()


def test_a_surrogate_that_cannot_repeat_itself_is_refused(tmp_path, monkeypatch):
    """`put_` has no deterministic form; attention's gradient has one, but not if it only warns."""
    params = {"datasets": {"smooth": {"source": "craft", "ood": "greek"}}}
    params["craft"] = {"defaults": {"pairs": 4}}
    (tmp_path / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["craft", "smooth", "small", *"abcdef"])
    monkeypatch.setattr(craft, "read_entry", lambda folder: {})
    warned = []

    def load(*_):
        warned.append(torch.is_deterministic_algorithms_warn_only_enabled())
        torch.zeros(2).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))

    monkeypatch.setattr(craft, "load_backbone", load)
    with pytest.raises(ValueError, match="same gradient twice, but 'small' uses put_, .* on the C"):
        craft.main()
    assert warned == [False]
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_surrogate_without_the_head_it_is_attacked_through_says_why(tmp_path):
    heads = {"heads": {"plp": {"applicable": False, "reason": "no text tower"}}}
    (tmp_path / "heads.json").write_text(json.dumps(heads))

    with pytest.raises(ValueError, match="target: probe attacks the PLP head, .*: no text tower;"):
        read_target_inputs("probe", text=None, heads=tmp_path, store=None)
    assert read_target_inputs("random", text=None, heads=tmp_path, store=None) == TargetInputs()
