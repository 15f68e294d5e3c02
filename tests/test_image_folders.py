"""CIFAR, SVHN and MNIST as folders of image files: the cure is told, and it works."""

import re
import shlex
from pathlib import Path

import pytest

from pipeline.code_closure import ROOT
from pipeline.composition import composed
from pipeline.indexing.indexing import list_images
from pipeline.param_checks.dataset_entries import check_datasets
from pipeline.sources import SourceError, read_spec


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("test/3/1.png", "test/7/2.png"):
        (tmp_path / "my set" / name).parent.mkdir(parents=True)
        (tmp_path / "my set" / name).write_bytes(b"x")
    return tmp_path / "my set/test"


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("svhn", r"must be SVHN's MATLAB file \(test_32x32.mat\), .*; give the file, or"),
        ("cifar100", r"must hold the python version of CIFAR .*; it holds nothing of the kind;"),
        ("mnist", r"must hold train-images-idx3-ubyte.gz .* which one is meant;"),
    ],
)
def test_a_folder_of_pictures_in_place_of_a_file_of_pixels_names_its_source(
    dataset, said, pictures, monkeypatch
):
    """The cure used to be to get the right file again."""
    monkeypatch.chdir(ROOT)
    path = f'datasets.{dataset}.path="{pictures}"'
    entry = composed(["benchmark=cifar10", path])["datasets"][dataset]

    with pytest.raises(SourceError, match=f"{said} if it is a folder of image files") as raised:
        list_images(dataset, read_spec(dataset, entry))

    told = str(raised.value).partition("folder): ")[2].replace("<name>", dataset)
    word, value = shlex.split(told)[0].split("=")
    changed = composed(["benchmark=cifar10", f'{word}="{value}"'])["datasets"][dataset]
    keys = [entry.class_key for entry in list_images(dataset, read_spec(dataset, changed))[0]]
    assert keys == ["3", "7"]


def test_a_change_of_source_says_which_option_it_leaves_behind(pictures, monkeypatch):
    """The user did not write it; the benchmark did."""
    monkeypatch.chdir(ROOT)
    words = ["benchmark=cifar10", "datasets.cifar10_train.source=folder"]
    words.append(f'datasets.cifar10_train.path="{pictures}"')
    told = (
        "unknown parameter 'datasets.cifar10_train.split'; known: .*. 'split' is an option of "
        "source: cifar or idx, this is source: folder; drop it by "
        "~datasets.cifar10_train.split, or give the whole entry anew, datasets.cifar10_train=PATH"
    )

    def check(*more: str) -> None:
        datasets = composed([*words, *more])["datasets"]
        one = {"cifar10_train": datasets["cifar10_train"]}
        check_datasets(one, defaults={}, backbones=[])

    with pytest.raises(ValueError, match=told):
        check()
    check("~datasets.cifar10_train.split")
    with pytest.raises(ValueError, match=re.escape("known: ") + r"[\w, ]*$"):
        check("~datasets.cifar10_train.split", "+datasets.cifar10_train.splitt=train")
