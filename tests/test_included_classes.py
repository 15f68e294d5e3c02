"""A copy without some of the classes to include is an incomplete copy, or their names are wrong."""

import io
from pathlib import Path

import polars as pl
import pytest
import yaml
from PIL import Image

from pipeline.code_closure import ROOT
from pipeline.composition import composed
from pipeline.datasets.index import read_index
from pipeline.indexing.indexing import list_images
from pipeline.sources import SourceError, read_spec
from stages import index as stage

MISSING, EMPTY = "n01443537", "n01484850"


@pytest.fixture(scope="module")
def params() -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return composed(["benchmark=imagenet200", "backbone=vit_b"])


@pytest.fixture
def here(tmp_path: Path, params: dict, monkeypatch: pytest.MonkeyPatch):
    """ImageNet-200 of two images a class; one class folder is not there and one is empty.

    Returns what indexes a set of it, and returns the index.
    """
    wnids = params["benchmark"]["classes"]
    for place in ("train", "val"):
        for number, wnid in enumerate([*wnids, "n12345678"]):
            folder = tmp_path / "raw/imagenet1k" / place / wnid
            if wnid != MISSING:
                folder.mkdir(parents=True)
            for image in range(0 if wnid in (MISSING, EMPTY) else 2):
                buffer = io.BytesIO()
                Image.new("RGB", (3, 3), (number, image, len(place))).save(buffer, "PNG")
                (folder / f"{image}.png").write_bytes(buffer.getvalue())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OOD_CACHE_DIR", str(tmp_path / "cache"))

    def run(dataset: str, *, partial: bool = False, **options: object) -> pl.DataFrame:
        changed = params["datasets"] | {dataset: params["datasets"][dataset] | options}
        written = params | {"data_root": str(tmp_path / "raw"), "datasets": changed}
        written["index"] = params["index"] | {"partial": partial}
        Path("params.yaml").write_text(yaml.safe_dump(written))
        monkeypatch.setattr("sys.argv", ["index", dataset, f"{dataset}.parquet"])
        stage.main()
        return read_index(Path(f"{dataset}.parquet"))

    return run


@pytest.mark.parametrize(
    ("dataset", "held"),
    [
        ("imagenet200_train", "must hold 200 classes, .* gives 396 images of 198 classes"),
        ("imagenet200_val", "must hold 10,000 images of 200 classes, .* gives 396 images of 198"),
    ],
)
def test_a_missing_and_an_empty_class_folder_are_counted_and_named(here, dataset, held):
    """The first one used to be told as a name that is not among the classes, part or not."""
    with pytest.raises(
        SourceError, match=f"{held}.*; without any: {MISSING}, {EMPTY}\\. .* index\\.partial=true"
    ):
        here(dataset)


def test_a_part_that_is_meant_is_indexed_with_a_warning(here, capsys):
    train = here("imagenet200_train", partial=True)
    assert f"without any: {MISSING}, {EMPTY}; its benchmark states 200" in capsys.readouterr().out
    val = here("imagenet200_val", partial=True)
    assert f"without any: {MISSING}, {EMPTY}; its benchmark states 10,000" in (
        capsys.readouterr().out
    )

    assert train["label"].n_unique() == val["label"].n_unique() == 198
    assert train["class_name"].to_list() == val["class_name"].to_list()
    assert train["label"].to_list() == val["label"].to_list() == sorted([*range(198)] * 2)


def test_a_misspelt_class_is_named_beside_those_that_there_are(here):
    """Of a set whose numbers nobody states; before any file is read."""
    for dataset in ("inaturalist", "imagenet200_train"):
        tree = {"source": "folder", "path": "imagenet1k/val", "classes": True, "subfolder": ""}
        options = tree | {"include_classes": ["n01494475", "n0149"]}
        spec = read_spec(dataset, options, data_root=Path("raw"))
        told = list_images(dataset, spec)[1]
        assert told.keys == ["n01494475"]
        assert told.incomplete.startswith(
            f"datasets.{dataset}.include_classes names 1 of 2 classes without an image in "
            "'raw/imagenet1k/val': n0149; there are n01494475, n01498041, "
        )
    with pytest.raises(SourceError, match="include_classes names the class 'n0149', which is not"):
        list_images("a", read_spec("a", options | {"classes": False}, data_root=Path("raw")))
    excluded = tree | {"exclude_classes": ["n0149"]}
    with pytest.raises(SourceError, match="exclude_classes names the class 'n0149', which is not"):
        list_images("a", read_spec("a", excluded, data_root=Path("raw")))
