"""A copy that OpenOOD downloaded is read where it lies, by one word more."""

from pathlib import Path

import pytest

from pipeline.code_closure import ROOT
from pipeline.composition import composed
from pipeline.indexing.indexing import list_images
from pipeline.language.shipped import imagenet_wnids
from pipeline.sources import read_spec

TENCH, SHARK = imagenet_wnids()[0], imagenet_wnids()[2]
IMAGES = {
    "imagenet1k_train": [f"imagenet_1k/train/{wnid}/{wnid}_1.JPEG" for wnid in (TENCH, SHARK)],
    "imagenet1k_val": [f"imagenet_1k/val/ILSVRC2012_val_0000000{n}.JPEG" for n in (1, 2, 3)],
    "inaturalist": ["inaturalist/images/1.jpg"],
    "textures_openood": ["texture/banded/banded_0004.jpg"],
    "ninco": ["ninco/amphiuma_means/1.jpeg"],
    "ssb_hard": ["ssb_hard/n00007846/n00007846_1.JPEG"],
    "openimage_o": ["openimage_o/images/1.jpg"],
}
LISTS = {  # the third validation image is one that OpenOOD tunes on
    "imagenet": [f"{IMAGES['imagenet1k_val'][0]} 2", f"{IMAGES['imagenet1k_val'][1]} 0"],
    "textures": ["texture/banded/banded_0004.jpg -1"],
    "openimage_o": ["openimage_o/images/1.jpg -1"],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for path in (path for paths in IMAGES.values() for path in paths):
        kind = "images_classic" if path.startswith("texture") else "images_largescale"
        (tmp_path / kind / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / kind / path).write_bytes(b"x")
    (tmp_path / "benchmark_imglist/imagenet").mkdir(parents=True)
    for name, lines in LISTS.items():
        file = tmp_path / f"benchmark_imglist/imagenet/test_{name}.txt"
        file.write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


def test_every_set_of_openood_is_found_and_validation_images_have_its_labels(data, monkeypatch):
    monkeypatch.chdir(ROOT)
    params = composed(["benchmark=imagenet1k", "+openood=imagenet1k", f"data_root={data}"])

    found = {}
    for name in [*IMAGES, "textures"]:
        spec = read_spec(name, params["datasets"][name], data_root=data)
        found[name] = list_images(name, spec)[0]

    assert {name: len(entries) for name, entries in found.items()} == {
        **{name: len(paths) for name, paths in IMAGES.items()},
        "imagenet1k_val": 2,
        "textures": 1,
    }
    assert [entry.class_key for entry in found["imagenet1k_train"]] == [TENCH, SHARK]
    assert [entry.class_key for entry in found["imagenet1k_val"]] == [SHARK, TENCH]
    assert params["benchmark"]["expected"]["imagenet1k_val"] == 45_000
    assert set(params["datasets"]) == set(composed(["benchmark=imagenet1k"])["datasets"])
