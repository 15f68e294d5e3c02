"""The paper's benchmarks as configuration: they compose, and they read the real layouts."""

import io
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pipeline.sources import open_source, read_spec
from stages.fetch import read_downloads, wanted_files

ROOT = Path(__file__).parents[1]
NAMES = ("cifar10", "cifar100", "imagenet1k", "imagenet200")


@pytest.fixture(scope="module")
def composed():
    hydra = pytest.importorskip("hydra")
    from omegaconf import OmegaConf

    sys.path.insert(0, str(ROOT / "conf/hydra_plugins"))
    import resolvers  # noqa: F401 - registers what conf/ uses

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
    assert means["far"] == ["inaturalist", "textures", "openimage_o"]
    assert len(set(composed["imagenet200"]["benchmark"]["classes"])) == 200


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
    tar(
        root / "dtd-r1.0.1.tar.gz",
        {
            "dtd/images/banded/banded_0002.jpg": image,
            "dtd/labels/train1.txt": b"banded/banded_0002.jpg",
        },
    )
    tar(root / "places365/val_256.tar", {"val_256/Places365_val_00000001.jpg": image})
    with zipfile.ZipFile(root / "tiny-imagenet-200.zip", "w") as archive:
        archive.writestr("tiny-imagenet-200/val/images/val_0.JPEG", image)
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
    lists = root / "benchmark_imglist/imagenet"
    lists.mkdir(parents=True)
    (lists / "test_openimage_o.txt").write_text("openimage_o/images/b85.jpg -1\n")
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
        expected = {"openimage_o": 1, "ninco": 1, "textures": 1, "imagenet_o": 1, "ssb_hard": 1}
        if dataset in expected:
            assert len(entries) == expected[dataset], dataset
        assert entries, dataset
        assert Image.open(io.BytesIO(source.read(entries[0].path))).size[0] in (8, 32), dataset
