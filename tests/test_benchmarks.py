"""The paper's benchmarks as configuration: they compose, and they read the real layouts."""

import gzip
import hashlib
import io
import pickle
import re
import struct
import sys
import tarfile
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pipeline.findings.overall_mean import counted_sets
from pipeline.language.shipped import imagenet_wnids
from pipeline.report.openood import OPENOOD
from pipeline.sources import open_source, read_spec
from stages.fetch import read_downloads, wanted_files

ROOT = Path(__file__).parents[1]
NAMES = ("cifar10", "cifar100", "imagenet1k", "imagenet200", "imagenet_o200")


@pytest.fixture(scope="module")
def composed():
    hydra = pytest.importorskip("hydra")
    from omegaconf import OmegaConf

    sys.path.insert(0, str(ROOT / "conf/hydra_plugins"))
    import model_files  # noqa: F401
    import resolvers  # noqa: F401 - both register what conf/ uses

    found = {}
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base=None):
        for name in NAMES:
            config = hydra.compose("config", overrides=[f"benchmark={name}", "backbone=vit_bigg"])
            found[name] = OmegaConf.to_container(config, resolve=True)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_names_only_sets_it_has(composed, name):
    benchmark, datasets = composed[name]["benchmark"], composed[name]["datasets"]
    assert benchmark["name"] == name
    used = {benchmark["id_train"], benchmark["id_test"], benchmark["attacked"]}
    used |= {one for group in benchmark["means"].values() for one in group}
    used |= set(benchmark["expected"])
    assert used <= set(datasets)
    assert {e["ood"] for e in datasets.values() if e["source"] == "craft"} == {
        benchmark["attacked"]
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_set_says_where_it_comes_from(composed, name):
    datasets = composed[name]["datasets"]
    known = read_downloads(ROOT / "conf/downloads.yaml")
    covered = {user for item in wanted_files(datasets, known, []) for user in item.datasets}
    assert covered == {n for n, entry in datasets.items() if entry["source"] != "craft"}


def test_both_five_set_means_and_openoods_groups(composed):
    means = composed["imagenet1k"]["benchmark"]["means"]
    assert set(means["five_with_imagenet_o"]) ^ set(means["five_with_textures"]) == {
        "imagenet_o",
        "textures",
    }
    assert [len(means[key]) for key in ("five_with_imagenet_o", "five_with_textures")] == [5, 5]
    assert means["near"] == ["ssb_hard", "ninco"]
    assert means["far"] == ["inaturalist", "textures_openood", "openimage_o"]


@pytest.mark.parametrize(("name", "other"), [("cifar10", "cifar100"), ("cifar100", "cifar10")])
def test_the_cifar_groups_are_openoods(composed, name, other):
    """Its near and far sets (arXiv:2306.09301), the grey digits among them."""
    means = composed[name]["benchmark"]["means"]
    assert means["near"] == [other, "tiny_imagenet"]
    assert means["far"] == ["mnist", "svhn", "textures", "places365"]


@pytest.mark.parametrize("name", OPENOOD)
def test_openoods_groups_are_as_the_report_compares_them(composed, name):
    """Every set is on OpenOOD's list in full, or the file says how many images it lists."""
    benchmark, lists = composed[name]["benchmark"], OPENOOD[name]
    for group in ("near", "far"):
        assert set(benchmark["means"][group]) == set(getattr(lists, group))
    listed = {benchmark["id_test"]: lists.id_test} | lists.near | lists.far
    other = {key: n for key, n in listed.items() if benchmark["expected"][key] != n}
    comment = (ROOT / f"conf/benchmark/{name}.yaml").read_text().partition("defaults:")[0]

    small = {"cifar10": {"cifar100"}, "cifar100": {"cifar10"}}
    assert set(other) == {benchmark["id_test"]} | small.get(name, set())
    assert all(f"{n:,}" in comment for n in other.values())


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("benchmark", "dataset", "published"),
    [
        ("cifar100", "tiny_imagenet", "cifar100__test_tin"),
        ("cifar100", "svhn", "cifar100__test_svhn"),
        ("cifar100", "textures", "cifar100__test_texture"),
        ("cifar100", "places365", "cifar100__test_places365"),
        ("imagenet1k", "ssb_hard", "imagenet__test_ssb_hard_labelled"),
        ("imagenet1k", "ninco", "imagenet__test_ninco_labelled"),
        ("imagenet1k", "inaturalist", "imagenet__test_inaturalist_labelled"),
        ("imagenet1k", "textures_openood", "imagenet__test_textures_labelled"),
        ("imagenet200", "openimage_o", "imagenet__test_openimage_o"),
    ],
)
def test_the_report_s_counts_are_those_of_the_published_lists(benchmark, dataset, published):
    file = ROOT.parent / "shared/data/metadata" / f"ood_lists__{published}.txt.gz"
    if not file.is_file():
        pytest.skip(f"the published lists are not beside the project ({file})")
    lists = OPENOOD[benchmark]

    lines = gzip.decompress(file.read_bytes()).decode().split("\n")

    assert (lists.near | lists.far)[dataset] == len([line for line in lines if line])


@pytest.mark.parametrize("name", NAMES)
def test_no_mean_counts_an_image_twice(composed, name):
    """OpenOOD's part of the Textures stands in its own far mean, not beside the whole of them."""
    config = composed[name]
    means = {key: tuple(sets) for key, sets in config["benchmark"]["means"].items()}
    counted = counted_sets(tuple(config["matrix"]["ood"]), means)

    for sets in (counted, *means.values()):
        archives = [config["datasets"][dataset] for dataset in sets]
        places = [entry.get("root", entry["path"]) for entry in archives]
        assert len(set(places)) == len(places), sets


def test_the_two_lists_of_200_classes_are_two(composed):
    """ImageNet-R's (OpenOOD's ImageNet-200) and ImageNet-O's: of ImageNet-1k, and not the same."""
    rendered, natural = (
        set(composed[name]["benchmark"]["classes"]) for name in ("imagenet200", "imagenet_o200")
    )
    assert len(rendered) == len(natural) == 200
    assert rendered | natural <= set(imagenet_wnids())
    assert rendered != natural


def test_openoods_200_classes_are_those_of_imagenet_r(composed):
    """By the list that timm ships for ImageNet-R."""
    listed = resources.files("timm.data._info").joinpath("imagenet_r_synsets.txt").read_text()

    assert composed["imagenet200"]["benchmark"]["classes"] == listed.split()


def test_imagenet_o_is_scored_against_all_classes_and_against_its_own_200(composed):
    """The paper's reading beside the authors': the same OOD images, other ID images."""
    all_classes, own = (composed[name] for name in ("imagenet1k", "imagenet_o200"))
    assert all_classes["datasets"]["imagenet_o"] == own["datasets"]["imagenet_o"]
    assert "include_classes" not in all_classes["datasets"]["imagenet1k_val"]
    for name in ("imagenet_o200_train", "imagenet_o200_val"):
        assert own["datasets"][name]["include_classes"] == own["benchmark"]["classes"]
    assert own["benchmark"]["expected"]["imagenet_o200_val"] == 200 * 50


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (10, 20, 30)).save(buffer, format="JPEG")
    return buffer.getvalue()


def tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def cifar(path: Path, folder: str, train: dict[str, str], test: str, meta: str, fine: str) -> None:
    rows = np.zeros((2, 3072), np.uint8)
    batch = pickle.dumps({"data": rows, fine: [0, 1], "filenames": ["a.png", "b.png"]})
    names = pickle.dumps({"label_names": ["x", "y"], "fine_label_names": ["x", "y"]})
    members = {f"{folder}/{name}": batch for name in (*train, test)}
    tar(path, members | {f"{folder}/{meta}": names})


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """Small archives of each real layout, under the names that the publishers give them."""
    root = tmp_path_factory.mktemp("raw")
    image = jpeg()
    batches = [f"data_batch_{i}" for i in range(1, 6)]
    cifar(
        root / "cifar-10-python.tar.gz",
        "cifar-10-batches-py",
        dict.fromkeys(batches, ""),
        "test_batch",
        "batches.meta",
        "labels",
    )
    cifar(
        root / "cifar-100-python.tar.gz",
        "cifar-100-python",
        {"train": ""},
        "test",
        "meta",
        "fine_labels",
    )
    (root / "svhn").mkdir()
    digits = {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[10], [1]], np.uint8)}
    savemat(root / "svhn/test_32x32.mat", digits)
    (root / "mnist").mkdir()
    grey = gzip.compress(b"\0\0\x08\x03" + struct.pack(">3I", 2, 28, 28) + bytes(2 * 28 * 28))
    for part in ("train", "t10k"):
        (root / f"mnist/{part}-images-idx3-ubyte.gz").write_bytes(grey)
    tar(
        root / "dtd-r1.0.1.tar.gz",
        {
            "dtd/images/banded/banded_0002.jpg": image,
            "dtd/images/gauzy/gauzy_0138.jpg": image,
            "dtd/labels/train1.txt": b"banded/banded_0002.jpg",
        },
    )
    photos = [f"val_256/Places365_val_0000000{number}.jpg" for number in (1, 2, 3)]
    tar(root / "places365/val_256.tar", dict.fromkeys(photos, image))
    with zipfile.ZipFile(root / "tiny-imagenet-200.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"tiny-imagenet-200/val/images/val_{number}.JPEG", image)
        archive.writestr("tiny-imagenet-200/val/val_annotations.txt", "val_0.JPEG n1 0 0 1 1")
    for name in ("iNaturalist", "SUN", "Places"):
        tar(root / f"{name}.tar.gz", {f"{name}/images/a.jpg": image})
    tar(
        root / "imagenet-o.tar",
        {"imagenet-o/n01443537/a.JPEG": image, "imagenet-o/README.txt": b""},
    )
    tar(
        root / "NINCO_all.tar.gz",
        {
            "NINCO/NINCO_OOD_classes/araneus/a.jpg": image,
            "NINCO/NINCO_OOD_unit_tests/noise/b.png": image,
        },
    )
    with zipfile.ZipFile(root / "ssb_hard.zip", "w") as archive:
        archive.writestr("n11622368/n11622368_1063.JPEG", image)
    with zipfile.ZipFile(root / "openimage_o.zip", "w") as archive:
        archive.writestr("images/b85.jpg", image)
        archive.writestr("images/validation.jpg", image)
    lists = {
        "imagenet/test_openimage_o.txt": ["openimage_o/images/b85.jpg"],
        "imagenet/test_textures.txt": ["texture/banded/banded_0002.jpg"],
    }
    for small in ("cifar10", "cifar100"):
        places = [f"places365/abbey/Places365_val_0000000{number}.jpg" for number in (1, 3)]
        lists[f"{small}/test_places365.txt"] = places
        lists[f"{small}/test_tin.txt"] = [
            f"tin/val/images/val_{number}.JPEG" for number in (0, 2, 3)
        ]
    for name, lines in lists.items():
        listed = root / "benchmark_imglist" / name
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("".join(f"{line} -1\n" for line in lines))
    for part in ("train", "val"):
        for wnid in ("n01443537", "n01440764"):
            (root / "imagenet1k" / part / wnid).mkdir(parents=True)
            (root / "imagenet1k" / part / wnid / "a.JPEG").write_bytes(image)
    return root


@pytest.mark.parametrize("name", NAMES)
def test_every_set_is_read_from_its_real_layout(composed, data_root, name):
    for dataset, entry in composed[name]["datasets"].items():
        if entry["source"] == "craft":
            continue
        source = open_source(read_spec(dataset, entry, data_root=data_root))
        entries = source.entries()
        expected = {"openimage_o": 1, "ninco": 1, "imagenet_o": 1, "ssb_hard": 1}
        expected |= {"places365": 2, "tiny_imagenet": 3, "textures_openood": 1}
        expected |= {"mnist": 4, "textures": 1 if name == "imagenet200" else 2}
        if dataset in expected:
            assert len(entries) == expected[dataset], dataset
        assert entries, dataset
        side = Image.open(io.BytesIO(source.read(entries[0].path))).size[0]
        assert side in (8, 28, 32), dataset


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("benchmark", "dataset", "published"),
    [
        ("cifar100", "tiny_imagenet", "cifar100__test_tin"),
        ("cifar100", "places365", "cifar100__test_places365"),
        ("imagenet1k", "textures_openood", "imagenet__test_textures_labelled"),
        ("imagenet200", "textures", "imagenet__test_textures_labelled"),
        ("imagenet1k", "openimage_o", "imagenet__test_openimage_o"),
    ],
)
def test_the_published_lists_fit_the_publishers_archives(composed, benchmark, dataset, published):
    """Every line of OpenOOD's own list becomes a path as it stands in the archive."""
    file = ROOT.parent / "shared/data/metadata" / f"ood_lists__{published}.txt.gz"
    if not file.is_file():
        pytest.skip(f"the published lists are not beside the project ({file})")
    config = composed[benchmark]
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    names = [line.rpartition(" ")[0] for line in lines]
    patterns = {
        "tiny_imagenet": r"tiny-imagenet-200/val/images/val_\d+\.JPEG",
        "places365": r"val_256/Places365_val_\d{8}\.jpg",
        "textures": r"dtd/images/([a-z-]+)/\1_\d{4}\.jpg",
        "textures_openood": r"dtd/images/([a-z-]+)/\1_\d{4}\.jpg",
        "openimage_o": r"images/[0-9a-f]{16}\.jpg",
    }
    entry = config["datasets"][dataset]
    prefix = f"{entry['prefix']}/" if "prefix" in entry else ""
    paths = [prefix + "/".join(name.split("/")[entry["strip"] :]) for name in names]

    assert len(set(paths)) == len(paths) == config["benchmark"]["expected"][dataset]
    assert all(re.fullmatch(patterns[dataset], path) for path in paths)


@pytest.mark.parametrize("benchmark", ["cifar10", "cifar100"])
def test_mnist_is_fetched_and_read_as_openood_lists_it(composed, benchmark):
    """Training and test images; checksums as torchvision knows them."""
    from torchvision.datasets import MNIST

    known, config = read_downloads(ROOT / "conf/downloads.yaml"), composed[benchmark]
    wanted = wanted_files(config["datasets"], known, ["mnist"])

    files = {Path(item.download.file).name: item.download for item in wanted}
    published = {name: md5 for name, md5 in MNIST.resources if "images" in name}
    assert {name: download.md5 for name, download in files.items()} == published
    assert all(item.datasets == ("mnist",) for item in wanted)
    assert config["benchmark"]["expected"]["mnist"] == OPENOOD[benchmark].far["mnist"] == 70_000


@pytest.mark.real_data
def test_mnist_s_own_file_is_the_one_that_is_fetched(composed):
    folder = ROOT.parent / "shared/data/mnist_omniglot"
    if not folder.is_dir():
        pytest.skip(f"MNIST's test images are not beside the project ({folder})")
    known = read_downloads(ROOT / "conf/downloads.yaml")["mnist/t10k-images-idx3-ubyte.gz"]
    entry = composed["cifar10"]["datasets"]["mnist"] | {"path": str(folder), "split": "test"}
    source = open_source(read_spec("mnist", entry))

    content = (folder / "t10k-images-idx3-ubyte.gz").read_bytes()
    assert (known.bytes, known.md5) == (len(content), hashlib.md5(content).hexdigest())
    assert [len(source.entries()), source.entries()[0].class_key] == [10_000, "7"]
    assert Image.open(io.BytesIO(source.read("000000.pnm"))).size == (28, 28)
