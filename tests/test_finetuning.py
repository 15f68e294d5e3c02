"""Fine-tuning: the recipe on a tiny timm model and tiny pictures."""

import dataclasses
import io

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn

from pipeline.backbones.model_spec import ModelSpec
from pipeline.extraction.decoding import ImageReader
from pipeline.training import finetune_images, finetuning
from pipeline.training.classifier_head import NoClassifierError, classifier_head
from pipeline.training.finetune_images import Images, epoch_order
from pipeline.training.finetune_recipe import FinetuneRecipe
from pipeline.training.finetune_start import starting_model
from pipeline.training.finetuning import Place, finetune

HERE = Place(torch.device("cpu"))
SPEC = ModelSpec(loader="timm", name="test_resnet", kwargs={"num_classes": 0})
QUICK = FinetuneRecipe(
    epochs=3, batch_size=16, warmup_epochs=1.0, learning_rate=0.05, ema=0.5, mixup=0.0, cutmix=0.0
)


class Tower(nn.Module):
    """As a pretrained timm tower stands behind `load_backbone`."""

    def __init__(self, seed=0):  # noqa: D107
        super().__init__()
        torch.manual_seed(seed)
        self.model = timm.create_model("test_resnet", num_classes=0)


class Pictures:
    """A source of plain pictures: class 0 is dark, class 1 is bright."""

    def entries(self):
        return []

    def class_order(self):
        return None

    def read(self, path):
        row = int(path)
        shade = np.random.default_rng(row).integers(0, 100, size=(16, 16, 3)) + 150 * (row % 2)
        file = io.BytesIO()
        Image.fromarray(shade.astype(np.uint8)).save(file, "PNG")
        return file.getvalue()


class Threaded(Pictures):
    fork_safe = False


def prepare(image):
    return torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1)


def pictures(n=32, **options):
    paths = [str(row) for row in range(n)]
    reader = ImageReader(Pictures(), paths, [None] * n, prepare)
    return Images.of(reader, np.arange(n) % 2, **{"workers": 0, **options})


def start(seed=0):
    return starting_model("ft", SPEC, Tower(), classes=2, head_std=0.02, seed=seed)


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_starts_from_the_tower_with_a_new_classifier():
    model, tower = start(), Tower().model

    given = tower.state_dict()
    assert all(torch.equal(model.state_dict()[name], given[name]) for name in given)
    head = model.get_classifier()
    assert head.out_features == 2
    assert 0.01 < float(head.weight.detach().std()) < 0.03
    assert not head.bias.detach().any()


def test_learns_dark_from_bright():
    heard = []
    model = finetune(
        start(),
        pictures(),
        classes=2,
        recipe=dataclasses.replace(QUICK, epochs=15),
        place=HERE,
        progress=lambda *told: heard.append(told),
    )

    images = pictures()
    with torch.inference_mode():
        found = model.eval()(images.decoded).argmax(1).numpy()
    assert (found == images.labels).mean() > 0.9
    assert [done for done, *_ in heard] == list(range(1, 16))
    assert heard[-1][2] < heard[0][2]


def test_a_stopped_run_continues_to_the_same_weights(tmp_path):
    """Stopped after one epoch of three, with mixing on: its draws depend on the epoch alone."""
    recipe = dataclasses.replace(QUICK, mixup=0.8, cutmix=1.0)
    whole = finetune(start(), pictures(), classes=2, recipe=recipe, place=HERE)

    class StoppedError(Exception):
        pass

    def stop(done, total, loss):
        raise StoppedError

    file = tmp_path / "epochs.pt"
    with pytest.raises(StoppedError):
        finetune(
            start(), pictures(), classes=2, recipe=recipe, place=HERE, checkpoint=file,
            progress=stop,
        )  # fmt: skip
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    resumed = finetune(
        start(seed=5), pictures(), classes=2, recipe=recipe, place=HERE, checkpoint=file
    )

    assert same(state_of(whole), state_of(resumed))


def test_a_resumed_run_keeps_the_count_of_steps_off_the_device(tmp_path):
    """On a GPU, Adam would read it back for every parameter and step; meta stands in for one."""
    weight = nn.Parameter(torch.ones(2))
    saved = torch.optim.AdamW([weight])
    weight.grad = torch.ones(2)
    saved.step()
    torch.save({"epochs": 1, "optimiser": saved.state_dict()}, tmp_path / "epochs.pt")

    elsewhere = nn.Parameter(torch.ones(2, device="meta"))
    resumed = torch.optim.AdamW([elsewhere])
    place = Place(torch.device("meta"))

    assert finetuning._restore(tmp_path / "epochs.pt", {"optimiser": resumed}, place) == 1
    state = resumed.state[elsewhere]
    assert {name: value.device.type for name, value in state.items()} == {
        "step": "cpu", "exp_avg": "meta", "exp_avg_sq": "meta",
    }  # fmt: skip


def test_the_rate_climbs_and_falls(monkeypatch):
    """Two steps an epoch: from 1e-6 in two steps to the peak 0.05 * 16/512, then to the end."""
    rates = []
    step = torch.optim.AdamW.step

    def spy(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    recipe = dataclasses.replace(QUICK, epochs=4)
    finetune(start(), pictures(), classes=2, recipe=recipe, place=HERE)

    peak = 0.05 / 32
    cosine = [1e-5 + 0.5 * (peak - 1e-5) * (1 + np.cos(np.pi * t / 8)) for t in range(2, 8)]
    np.testing.assert_allclose(rates, [1e-6, 1e-6 + (peak - 1e-6) / 2, *cosine], rtol=1e-6)


def test_the_average_follows_by_hand():
    """With decay 0 it is the trained model; with decay near 1 it stays where it started."""
    latest = start()
    zero = finetune(
        latest, pictures(), classes=2, recipe=dataclasses.replace(QUICK, ema=0.0), place=HERE
    )
    assert same(state_of(zero), state_of(latest))

    begun = state_of(start())
    near = finetune(
        start(), pictures(), classes=2, recipe=dataclasses.replace(QUICK, ema=1 - 1e-9), place=HERE
    )
    for name, value in state_of(near).items():
        if value.is_floating_point():
            torch.testing.assert_close(value, begun[name], atol=1e-6, rtol=1e-5)


def test_the_last_weights_are_kept_where_the_recipe_says_so():
    latest = start()
    recipe = dataclasses.replace(QUICK, ema=1 - 1e-9, keep="last")
    kept = finetune(latest, pictures(), classes=2, recipe=recipe, place=HERE)

    assert kept is latest
    assert not same(state_of(kept), state_of(start()))


def test_the_share_of_the_initial_weights_by_hand():
    """The paper's: 97 whole batches of 512 in 50,000 images, 100 epochs: exp(-0.388) of them."""
    paper = FinetuneRecipe()
    assert round(paper.initial_share(50_000), 3) == 0.678
    assert dataclasses.replace(QUICK, ema=0.5, epochs=3).initial_share(32) == 0.5**6
    assert dataclasses.replace(paper, keep="last").initial_share(50_000) == 0.0


def test_processes_that_train_together_share_the_memory(monkeypatch):
    """32 pictures, 98,304 bytes as floats, fit once in a quarter of 500,000, but not twice."""
    monkeypatch.setattr(finetune_images, "free_bytes", lambda: 500_000)

    assert pictures().decoded is not None
    assert pictures(world=2).decoded is None


def test_decoded_once_or_by_a_loader_is_the_same():
    generator = torch.Generator().manual_seed(0)
    order = epoch_order(32, 8, generator)
    kept, loaded = pictures(), pictures(share=0.0)

    assert kept.decoded is not None
    assert loaded.decoded is None
    for (x, y), (a, b) in zip(kept.batches(order), loaded.batches(order), strict=True):
        assert torch.equal(x, a)
        assert torch.equal(y, b)


def test_a_loader_draws_nothing_from_the_generator_of_dropout():
    """Else the weights of a tower with dropout would depend on what fitted in memory."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    data = pictures(share=0.0)

    assert list(data.batches([[0, 1], [2]]))
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_for_a_gpu_lie_in_pinned_memory_and_are_the_same(monkeypatch):
    """torch refuses to pin without a GPU: what it is asked for is seen here."""
    empty, asked = torch.empty, []

    def without_gpu(*shape, pin_memory=False, **options):
        asked.append(pin_memory)
        return empty(*shape, **options)

    kept, order = pictures(8), [[3, 0], [5, 6]]
    monkeypatch.setattr(torch, "empty", without_gpu)
    both = [list(kept.batches(order, pinned=pinned)) for pinned in (False, True)]

    assert asked == [False] * 4 + [True] * 4
    for (x, y), (a, b) in zip(*both, strict=True):
        assert torch.equal(x, a)
        assert torch.equal(y, b)


def test_the_optimiser_of_a_gpu_is_fused_and_the_cpus_is_as_it_was():
    fused, plain = (finetuning._optimiser(start(), QUICK, fused=fused) for fused in (True, False))

    assert isinstance(fused, torch.optim.AdamW)
    assert fused.defaults["fused"] is True
    assert not plain.defaults["fused"]
    assert [g["weight_decay"] for g in fused.param_groups] == [0.0, QUICK.weight_decay]


@pytest.mark.parametrize(
    ("source", "workers", "context"),
    [(Pictures(), 2, None), (Threaded(), 2, "forkserver"), (Threaded(), 0, None)],
)
def test_a_source_that_no_fork_survives_is_read_by_new_processes(
    monkeypatch, source, workers, context
):
    """Polars' threads, for one: a forked worker would wait for them for ever."""
    told = {}
    monkeypatch.setattr(finetune_images, "DataLoader", lambda *_, **options: told.update(options))
    reader = ImageReader(source, ["0"], [None], prepare)

    with pytest.raises(TypeError, match="NoneType"):
        next(Images(reader, np.zeros(1, np.int64), None, workers).batches([[0]]))
    assert told["multiprocessing_context"] == context


@pytest.mark.slow
def test_new_processes_give_the_images_that_forked_ones_give():
    reader = ImageReader(Threaded(), [str(row) for row in range(32)], [None] * 32, prepare)
    order = epoch_order(32, 8, torch.Generator().manual_seed(0))
    loaded = Images.of(reader, np.arange(32) % 2, workers=1, share=0.0)

    for (x, y), (a, b) in zip(pictures().batches(order), loaded.batches(order), strict=True):
        assert torch.equal(x, a)
        assert torch.equal(y, b)


def test_an_epoch_holds_each_row_at_most_once():
    order = epoch_order(35, 8, torch.Generator().manual_seed(0))

    rows = [row for batch in order for row in batch]
    assert len(order) == 4
    assert len(set(rows)) == 32
    assert max(rows) <= 34


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 15}, "batch_size must be even"),
        (
            {"epochs": 3, "warmup_epochs": 3.0},
            "warmup_epochs must be below finetune.epochs = 3, got 3.0",
        ),
        ({"ema": 1.0}, r"ema must be in \[0, 1\)"),
    ],
)
def test_recipes_that_cannot_train_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FinetuneRecipe(**options)


def test_fewer_images_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="batch_size is 16, the ID training set has 8"):
        finetune(start(), pictures(8), classes=2, recipe=QUICK, place=HERE)


def test_another_architecture_is_refused():
    spec = ModelSpec(loader="timm", name="test_vit", kwargs={"num_classes": 0})
    with pytest.raises(ValueError, match="'test_vit' is not the architecture of the tower"):
        starting_model("ft", spec, Tower(), classes=2, head_std=0.02, seed=0)


def test_an_entry_with_classes_of_its_own_is_refused():
    spec = ModelSpec(loader="timm", name="test_resnet")
    with pytest.raises(ValueError, match=r"kwargs: \{num_classes: 0\}"):
        starting_model("ft", spec, Tower(), classes=2, head_std=0.02, seed=0)


def test_a_tower_without_timm_names_is_refused():
    with pytest.raises(ValueError, match="kind Sequential cannot be fine-tuned here"):
        starting_model("ft", SPEC, nn.Sequential(), classes=2, head_std=0.02, seed=0)


def test_open_clips_vision_transformer_becomes_timms():
    """The same picture gives the same features before and after the change of names."""
    from open_clip.transformer import VisionTransformer

    torch.manual_seed(0)
    tower = VisionTransformer(
        image_size=32, patch_size=16, width=64, layers=2, heads=2, mlp_ratio=3.0, output_dim=16
    ).eval()
    tower.proj = None
    kwargs = {
        "img_size": 32, "patch_size": 16, "embed_dim": 64, "depth": 2, "num_heads": 2,
        "mlp_ratio": 3.0, "num_classes": 0,
    }  # fmt: skip
    spec = ModelSpec(loader="timm", name="vit_base_patch16_clip_224", kwargs=kwargs)
    model = starting_model("ft", spec, tower, classes=2, head_std=0.02, seed=0).eval()

    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        ours = model.forward_head(model.forward_features(pixels), pre_logits=True)
        torch.testing.assert_close(ours, tower(pixels), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"loader": "open_clip"}, "was not fine-tuned"),
        ({"loader": "timm", "name": "mobilenetv2_100"}, "1000 classes, the ID set has 26"),
        ({"loader": "timm", "name": "vit_small_patch14_dinov2.lvd142m"}, "was not fine-tuned"),
    ],
)
def test_a_backbone_without_a_classifier_of_the_classes_says_so(tmp_path, entry, message):
    with pytest.raises(NoClassifierError, match=message):
        classifier_head("b", entry, tmp_path, classes=26)
