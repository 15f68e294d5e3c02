"""A copy that OpenOOD downloaded is read where it lies, by one word more."""

from pathlib import Path

import pytest

from pipeline.code_closure import ROOT
from pipeline.composition import composed
from pipeline.indexing.indexing import list_images
from pipeline.language.class_names import LISTS
from pipeline.language.shipped import imagenet_wnids
from pipeline.param_checks.every_check import check_every
from pipeline.report.openood import OPENOOD
from pipeline.sources import read_spec

TENCH, SHARK = imagenet_wnids()[0], imagenet_wnids()[2]
GOLDFISH, WHITE_SHARK = "n01443537", "n01484850"  # the first two of ImageNet-200
VALIDATION = [f"imagenet_1k/val/ILSVRC2012_val_0000000{n}.JPEG" for n in (1, 2, 3)]
LARGE = {
    "inaturalist": ["inaturalist/images/1.jpg"],
    "ninco": ["ninco/amphiuma_means/1.jpeg"],
    "ssb_hard": ["ssb_hard/n00007846/n00007846_1.JPEG"],
    "openimage_o": ["openimage_o/images/1.jpg"],
}
LARGE_LISTS = {
    "imagenet/test_textures": ["texture/banded/banded_0004.jpg -1"],
    "imagenet/test_openimage_o": ["openimage_o/images/1.jpg -1"],
}
CLASSIC = {
    "tiny_imagenet": ["tin/val/images/val_0.JPEG"],
    "mnist": ["mnist/test/8_8486.jpg", "mnist/train/9_30085.jpg"],
    "svhn": ["svhn/test/022008_2.jpg"],
    "textures": ["texture/gauzy/gauzy_0138.jpg"],
    "places365": ["places365/field-cultivated/Places365_val_00010661.jpg"],
}
CIFAR = {  # number of the class in OpenOOD's lists, two classes and three test images of each set
    "cifar10": {"airplane": 0, "cat": 3},
    "cifar100": {"aquarium_fish": 1, "willow_tree": 96},
}


def cifar_test(name: str) -> list[str]:
    """Test images as OpenOOD names them; the third is one that it tunes on."""
    first, second = CIFAR[name]
    return [f"{name}/test/{first}/0298.png", *(f"{name}/test/{second}/000{n}.png" for n in (1, 2))]


def cifar_tree(name: str, other: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Images by set, and lines by list, of the benchmark of one CIFAR set."""
    first, second = CIFAR[name]
    tests = cifar_test(name)
    images = CLASSIC | {
        f"{name}_train": [f"{name}/train/{c}/0{n}.png" for c in (first, second) for n in (1, 2)],
        f"{name}_test": tests,
        other: cifar_test(other),
    }
    lists = {
        f"{name}/test_{name}": [
            f"{path} {CIFAR[name][path.split('/')[2]]}" for path in reversed(tests[:2])
        ],
        f"{name}/test_{other}": [f"{path} -1" for path in cifar_test(other)[:2]],
    }
    for dataset, file in (("tiny_imagenet", "tin"), ("textures", "texture")):
        lists[f"{name}/test_{file}"] = [f"{path} -1" for path in CLASSIC[dataset]]
    for dataset in ("mnist", "svhn", "places365"):
        lists[f"{name}/test_{dataset}"] = [f"{path} -1" for path in CLASSIC[dataset]]
    return images, lists


TREES = {
    "cifar10": cifar_tree("cifar10", "cifar100"),
    "cifar100": cifar_tree("cifar100", "cifar10"),
    "imagenet200": (
        LARGE
        | {
            "imagenet200_train": [
                f"imagenet_1k/train/{wnid}/{wnid}_1.JPEG" for wnid in (TENCH, GOLDFISH, WHITE_SHARK)
            ],
            "imagenet200_val": VALIDATION,
            "textures": ["texture/banded/banded_0004.jpg"],
        },
        LARGE_LISTS
        | {"imagenet200/test_imagenet200": [f"{VALIDATION[0]} 1", f"{VALIDATION[1]} 0"]},
    ),
    "imagenet1k": (
        LARGE
        | {
            "imagenet1k_train": [
                f"imagenet_1k/train/{wnid}/{wnid}_1.JPEG" for wnid in (TENCH, SHARK)
            ],
            "imagenet1k_val": VALIDATION,
            "textures": ["texture/banded/banded_0004.jpg"],
            "textures_openood": ["texture/banded/banded_0004.jpg"],
        },
        LARGE_LISTS | {"imagenet/test_imagenet": [f"{VALIDATION[0]} 2", f"{VALIDATION[1]} 0"]},
    ),
}
KEPT = {  # images that are not all there are, by set
    "cifar10": {"cifar10_test": 2, "cifar100": 2},
    "cifar100": {"cifar100_test": 2, "cifar10": 2},
    "imagenet200": {"imagenet200_train": 2, "imagenet200_val": 2},
    "imagenet1k": {"imagenet1k_val": 2},
}
CLASSES = {  # of the training and the test images, in the order of their paths
    "cifar10": (["airplane"] * 2 + ["cat"] * 2, ["airplane", "cat"]),
    "cifar100": (
        ["aquarium_fish"] * 2 + ["willow_tree"] * 2,
        ["aquarium_fish", "willow_tree"],
    ),
    "imagenet200": ([GOLDFISH, WHITE_SHARK], [WHITE_SHARK, GOLDFISH]),
    "imagenet1k": ([TENCH, SHARK], [SHARK, TENCH]),
}


def lay(root: Path, benchmark: str) -> None:
    """Lay the tree of a benchmark down as OpenOOD's download leaves it."""
    images, lists = TREES[benchmark]
    classic = {path.split("/")[0] for paths in CLASSIC.values() for path in paths} | set(CIFAR)
    for path in (path for paths in images.values() for path in paths):
        kind = "images_classic" if path.split("/")[0] in classic else "images_largescale"
        (root / kind / path).parent.mkdir(parents=True, exist_ok=True)
        (root / kind / path).write_bytes(b"x")
    for name, lines in lists.items():
        file = root / f"benchmark_imglist/{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("benchmark", sorted(TREES))
def test_every_set_of_openood_is_found_and_test_images_have_its_labels(
    benchmark, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    lay(tmp_path, benchmark)
    words = [f"benchmark={benchmark}", f"+openood={benchmark}", f"data_root={tmp_path}"]
    params = composed([*words, "backbone=vit_b"])
    roles, datasets = params["benchmark"], params["datasets"]
    check_every(params)

    train = None
    found = {}
    for name in sorted(TREES[benchmark][0], key=lambda name: name != roles["id_train"]):
        spec = read_spec(name, datasets[name], data_root=tmp_path)
        reference = (roles["id_train"], train) if name == roles["id_test"] else None
        found[name], classes, _ = list_images(name, spec, reference=reference)
        train = train or classes

    whole = {name: len(paths) for name, paths in TREES[benchmark][0].items()}
    assert {name: len(entries) for name, entries in found.items()} == whole | KEPT[benchmark]
    for role, keys in zip(("id_train", "id_test"), CLASSES[benchmark], strict=True):
        assert [entry.class_key for entry in found[roles[role]]] == keys
    assert set(datasets) == set(composed([f"benchmark={benchmark}"])["datasets"])


@pytest.mark.parametrize("benchmark", sorted(TREES))
def test_the_sets_have_as_many_images_as_openood_s_lists(benchmark, monkeypatch):
    """The report then counts no difference; the benchmarks themselves test on all of CIFAR."""
    monkeypatch.chdir(ROOT)
    stated = composed([f"benchmark={benchmark}", f"+openood={benchmark}"])["benchmark"]
    lists = OPENOOD[benchmark]
    listed = {stated["id_test"]: lists.id_test} | lists.near | lists.far

    assert {name: stated["expected"][name] for name in listed} == listed


@pytest.mark.parametrize(
    ("name", "shipped"), [("cifar10", "cifar10"), ("cifar100", "cifar100_plp")]
)
def test_the_numbers_of_cifar_s_lists_are_its_own_classes_in_label_order(
    name, shipped, monkeypatch
):
    """A folder of classes is in the order of text: the same, so that both number alike."""
    monkeypatch.chdir(ROOT)
    entry = composed([f"benchmark={name}", f"+openood={name}"])["datasets"][f"{name}_test"]

    assert entry["classes"] == list(LISTS[shipped]()) == sorted(entry["classes"])
    assert {key: entry["classes"].index(key) for key in CIFAR[name]} == CIFAR[name]
