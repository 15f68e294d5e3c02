"""The published set-up, composed: attack, recipes, names, means and studies of the paper."""

import pytest
import yaml
from dvc.utils.hydra import compose_and_dump

from pipeline.attacks.spec import craft_spec
from pipeline.code_closure import ROOT
from pipeline.findings.study_params import StudyParams
from pipeline.language.text_params import TextParams
from pipeline.params import from_mapping
from pipeline.training.finetune_recipe import FinetuneRecipe
from pipeline.training.probe_recipe import ProbeParams

BENCHMARKS = sorted(path.stem for path in (ROOT / "conf/benchmark").glob("*.yaml"))
PAPER = ("cifar10", "cifar100", "imagenet1k")
CLIP = {  # open_clip's name and tag, as the paper lists them
    "rn50": ("RN50", "openai"),
    "vit_b_openai": ("ViT-B-16", "openai"),
    "vit_b": ("ViT-B-16", "laion2b_s34b_b88k"),
    "vit_l_openai": ("ViT-L-14", "openai"),
    "vit_l": ("ViT-L-14", "laion2b_s32b_b82k"),
    "vit_h": ("ViT-H-14", "laion2b_s32b_b79k"),
    "vit_bigg": ("ViT-bigG-14", "laion2b_s39b_b160k"),
    "convnext_b": ("convnext_base", "laion400m_s13b_b51k"),
    "convnext_bw": ("convnext_base_w", "laion2b_s13b_b82k"),
    "convnext_ld": ("convnext_large_d", "laion2b_s26b_b102k_augreg"),
}


@pytest.fixture(scope="module")
def compose(tmp_path_factory):
    found: dict[tuple[str, ...], dict] = {}

    def run(*overrides: str) -> dict:
        if overrides not in found:
            out = tmp_path_factory.mktemp("composed") / "params.yaml"
            conf = str(ROOT / "conf")
            compose_and_dump(str(out), conf, "", "config", conf, list(overrides))
            found[overrides] = yaml.safe_load(out.read_text(encoding="utf-8"))
        return found[overrides]

    return run


def test_the_paper_s_attack_is_one_command(compose):
    """1,000 CIFAR-10 test images towards 1,000 CIFAR-100 training images, on ViT-bigG-14."""
    params = compose(
        "benchmark=cifar100",
        "study=single",
        "backbone=vit_bigg",
        "craft.surrogate=vit_bigg",
        "craft.defaults.pairs=1000",
    )
    datasets, benchmark = params["datasets"], params["benchmark"]

    assert params["backbones"] == ["vit_bigg"]
    assert params["matrix"]["fetched"] == ["vit_bigg"]
    assert params["matrix"]["crafted"] == ["smooth", "patchy"]
    assert params["craft"]["surrogate"] == "vit_bigg"
    for name, smoothness in {"smooth": 5000.0, "patchy": 0.0}.items():
        spec = craft_spec(datasets[name], defaults=params["craft"]["defaults"], name=name)
        assert (spec.ood, spec.pairs, spec.steps) == ("cifar10", 1000, 250)
        assert (spec.learning_rate, spec.noise, spec.smoothness) == (1e-3, 1e-3, smoothness)
        assert (spec.target, spec.budget, spec.restarts) == ("random", None, 1)
    attacked, bank = datasets["cifar10"], datasets[benchmark["id_train"]]
    assert attacked == {"source": "cifar", "path": "cifar-10-python.tar.gz"}  # its test images
    assert bank == {"source": "cifar", "path": "cifar-100-python.tar.gz", "split": "train"}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_benchmark_composes_with_the_ten_clip_models(compose, benchmark):
    params = compose(f"benchmark={benchmark}", "study=clip10", "backbone=vit_bigg")
    study = from_mapping(StudyParams, params["study"], section="study")

    assert sorted(study.clip) == sorted(CLIP)
    assert set(CLIP) <= set(params["backbones"])
    for name, (architecture, tag) in CLIP.items():
        entry = params["models"][name]
        assert (entry["loader"], entry["name"], entry["pretrained"]) == (
            "open_clip",
            architecture,
            tag,
        )
    if benchmark in PAPER:
        assert params["backbone"] == "vit_bigg"
        assert params["craft"]["surrogate"] == "vit_bigg"
        assert sorted(params["backbones"]) == sorted(CLIP)


@pytest.mark.parametrize(("benchmark", "batch"), [*zip(PAPER, (256, 256, 8192), strict=True)])
def test_the_linear_heads_are_the_paper_s(compose, benchmark, batch):
    params = compose(f"benchmark={benchmark}", "study=clip10", "backbone=vit_bigg")
    probe = from_mapping(ProbeParams, params["probe"], section="probe")

    assert (probe.epochs, probe.batch_size, probe.learning_rate) == (100, batch, 1e-3)
    assert (probe.warmup, probe.weight_decay, tuple(probe.seeds)) == (0.1, 1e-3, (42,))


def test_prompts_and_class_names(compose):
    """Five prompts everywhere; the cleaned ImageNet names with the mended duplicates."""
    names = {}
    for benchmark in PAPER:
        params = compose(f"benchmark={benchmark}", "study=clip10", "backbone=vit_bigg")
        assert from_mapping(TextParams, params["text"], section="text").prompts == "plp5"
        names[benchmark] = params["benchmark"]["class_names"]

    assert names == {
        "cifar10": "cifar10",
        "cifar100": "cifar100_clean",
        "imagenet1k": "imagenet1k_clean",
    }


def test_the_mean_of_six_imagenet_sets_and_both_of_five(compose):
    benchmark = compose("benchmark=imagenet1k", "study=clip10", "backbone=vit_bigg")["benchmark"]
    six = {"inaturalist", "sun", "places", "textures", "imagenet_o", "ninco"}

    assert set(benchmark["means"]["overall"]) == six
    assert set(benchmark["means"]["five_with_imagenet_o"]) == six - {"textures"}
    assert set(benchmark["means"]["five_with_textures"]) == six - {"imagenet_o"}
    assert set(benchmark["means"]) == {
        "overall",
        "five_with_imagenet_o",
        "five_with_textures",
        "near",
        "far",
    }
    images = {"inaturalist": 10000, "sun": 10000, "places": 10000, "imagenet_o": 2000}
    images |= {"textures": 5640, "ninco": 5879, "imagenet1k_train": 1281167}
    assert {name: benchmark["expected"][name] for name in images} == images


@pytest.mark.parametrize(
    ("benchmark", "judged"),
    [
        ("cifar10", (("cifar100",),)),
        ("cifar100", (("cifar10",),)),
        (
            "imagenet1k",
            (
                ("inaturalist", "sun", "places", "imagenet_o", "ninco"),
                ("inaturalist", "sun", "places", "textures", "ninco"),
            ),
        ),
    ],
)
@pytest.mark.parametrize("study", ["clip10", "single"])
def test_claims_are_judged_over_the_paper_s_own_sets(compose, benchmark, judged, study):
    """Of the sets beside them, and of other papers' means, no claim is made."""
    params = compose(f"benchmark={benchmark}", f"study={study}", "backbone=vit_bigg")
    names = from_mapping(StudyParams, params["study"], section="study").means

    assert tuple(tuple(params["benchmark"]["means"][name]) for name in names) == judged


@pytest.mark.parametrize("benchmark", sorted(set(BENCHMARKS) - set(PAPER)))
def test_other_benchmarks_judge_claims_over_every_mean_they_have(compose, benchmark):
    params = compose(f"benchmark={benchmark}", "study=clip10", "backbone=vit_bigg")

    assert "means" not in params["study"]


def test_fine_tuned_checkpoints_stand_beside_the_towers_they_began_as(compose):
    """Claim c on ImageNet-1k: every pair is computed, and of one architecture."""
    params = compose("benchmark=imagenet1k", "study=clip_vs_finetuned", "backbone=vit_h")
    study = from_mapping(StudyParams, params["study"], section="study")

    assert len(study.finetuned) == 5
    assert set(study.finetuned) == set(study.clip)
    assert {*study.finetuned, *study.finetuned.values()} == set(params["backbones"])
    assert params["matrix"]["reference"] in study.clip
    for tower, tuned in study.finetuned.items():
        entry, start = params["models"][tuned], params["models"][tower]
        assert tuned == f"{tower}_ft"
        size = {"ViT-B-16": "base_patch16", "ViT-L-14": "large_patch14", "ViT-H-14": "huge_patch14"}
        source = "openai" if start["pretrained"] == "openai" else "laion2b"
        wanted = f"vit_{size[start['name']]}_clip_224.{source}_ft_in1k"
        assert (entry["loader"], entry["name"]) == ("timm", wanted)


@pytest.mark.parametrize("benchmark", ["cifar10", "cifar100"])
def test_claim_c_has_its_pairs_on_cifar(compose, benchmark):
    """Every fine-tuned tower is compared with the one it starts from, of one architecture."""
    params = compose(f"benchmark={benchmark}", "study=cifar_finetuned")
    study = from_mapping(StudyParams, params["study"], section="study")

    assert set(study.finetuned) == set(study.clip) == {"vit_b", "vit_l", "vit_h"}
    assert {*study.finetuned, *study.finetuned.values()} == set(params["backbones"])
    assert params["matrix"]["reference"] in study.clip
    assert params["matrix"]["finetuned"] == {ft: tower for tower, ft in study.finetuned.items()}
    sizes = {"ViT-B-16": "base_patch16", "ViT-L-14": "large_patch14", "ViT-H-14": "huge_patch14"}
    for tower, tuned in study.finetuned.items():
        size = sizes[params["models"][tower]["name"]]
        assert params["models"][tuned]["name"] == f"vit_{size}_clip_224.laion2b"


def test_timm_knows_the_fine_tuned_checkpoints_and_their_classes(compose):
    from timm.models import get_pretrained_cfg

    params = compose("benchmark=imagenet1k", "study=clip_vs_finetuned", "backbone=vit_h")
    for tuned in params["study"]["finetuned"].values():
        config = get_pretrained_cfg(params["models"][tuned]["name"], allow_unregistered=False)
        assert config is not None
        assert config.num_classes == 1000


def test_the_cifar_fine_tuning_recipe(compose):
    params = compose("benchmark=cifar100", "study=single", "backbone=vit_b_cifar_ft")
    recipe = from_mapping(FinetuneRecipe, params["finetune"], section="finetune")

    assert params["backbones"] == ["vit_b_cifar_ft", "vit_b"]
    assert (recipe.epochs, recipe.learning_rate, recipe.weight_decay) == (100, 5e-4, 0.05)
    assert (recipe.warmup_epochs, recipe.warmup_rate, recipe.min_rate) == (5, 1e-6, 1e-5)
    assert (recipe.mixup, recipe.cutmix, recipe.smoothing) == (0.8, 1.0, 0.1)
    assert (recipe.ema, recipe.keep, recipe.head_std) == (0.99996, "average", 0.02)
