"""A data set that does not hold what its benchmark states stops before its files are read."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import compose_and_dump
from PIL import Image

from pipeline.code_closure import ROOT
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index
from pipeline.indexing.index_dataset import Role, index_dataset
from pipeline.indexing.indexing import IndexParams, list_images
from pipeline.indexing.labels import Classes
from pipeline.params import from_mapping
from pipeline.sources import SourceError, read_spec


@pytest.fixture
def val(tmp_path: Path) -> Path:
    """Two classes of two images, and two class folders without any."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    for name in ("n1/a.png", "n1/b.png", "n2/a.png", "n2/b.png"):
        (tmp_path / "val" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "val" / name).write_bytes(buffer.getvalue() + name.encode())
    for name in ("n4", "n3/.thumbnails", ".git"):
        (tmp_path / "val" / name).mkdir(parents=True)
    return tmp_path / "val"


def index(
    place: Path,
    *,
    role: Role | None = None,
    reference: tuple[str, Classes] | None = None,
    options: dict[str, Any] | None = None,
    **params: Any,
) -> int:
    path = place.parent / "i.parquet"
    index_dataset(
        "mine",
        read_spec("mine", {"path": str(place), **(options or {})}),
        path,
        params=from_mapping(IndexParams, params, section="index"),
        images=ImageParams(),
        role=role or Role(),
        reference=reference,
    )
    return len(read_index(path))


def test_fewer_images_or_classes_than_stated_stop_and_empty_class_folders_are_named(val):
    (val / "n1/a.png").write_bytes(b"no image")  # nobody has looked at it yet

    with pytest.raises(
        SourceError,
        match=r"'mine' must hold 50,000 images of 4 classes, .*val' gives 4 images of 2 classes; "
        r"without any: n3, n4\. Complete the copy .* -S index\.partial=true",
    ):
        index(val, expected={"mine": 50_000}, expected_classes={"mine": 4})
    with pytest.raises(SourceError, match="must hold 5 images, as .* gives 4 images; without any"):
        index(val, expected={"mine": 5})
    with pytest.raises(SourceError, match="must hold 3 images, as"):
        index(val, expected={"mine": 3})
    with pytest.raises(SourceError, match="must hold 3 classes, .* gives 4 images of 2 classes"):
        index(val, expected_classes={"mine": 3})
    assert not (val.parent / "i.parquet").exists()


def test_a_part_that_is_meant_is_a_warning(val, capsys):
    assert index(val, expected={"mine": 50_000}, partial=True) == 4

    said = capsys.readouterr().out
    assert "warning: mine: '" in said
    assert "gives 4 images; without any: n3, n4; its benchmark states 50,000 images" in said


def test_what_is_complete_or_not_stated_is_silent(val, capsys):
    assert index(val, expected={"mine": 4, "other": 9}, expected_classes={"mine": 2}) == 4
    assert index(val) == index(val, expected={}, expected_classes=None) == 4

    assert "warning" not in capsys.readouterr().out


def test_the_filters_come_first_and_an_unreadable_image_counts_as_there(val):
    (val / "n2/a.png").write_bytes(b"no image")

    assert index(val, options={"max_per_class": 1}, expected={"mine": 2}, unreadable="exclude") == 1


def test_empty_class_folders_of_an_id_set_are_said_even_where_nothing_is_stated(val, capsys):
    index(val, role=Role(testing=True))
    assert "warning: mine: 2 class folders hold no image: n3, n4" in capsys.readouterr().out

    for options in ({"include_classes": ["n1", "n2"]}, {"exclude_classes": ["n1"]}):
        index(val, role=Role(testing=True), options=options)
        said = capsys.readouterr().out
        assert ("hold no image: n3, n4" in said) == ("exclude_classes" in options)


def test_class_folders_may_lie_two_deep(val, capsys):
    (val / "n1").rename(val / "n2/n1")
    for name in ("a.png", "b.png"):
        (val / "n2" / name).unlink()
    (val / "n4/n5").mkdir()

    index(val, role=Role(testing=True), options={"class_depth": 2})

    assert "1 class folders hold no image: n4/n5" in capsys.readouterr().out


def test_the_numbers_come_from_the_benchmark(tmp_path):
    """By hand: ILSVRC2012 has 1,281,167 training images of 1,000 classes."""
    conf, out = str(ROOT / "conf"), tmp_path / "params.yaml"

    def composed(*overrides: str) -> IndexParams:
        compose_and_dump(str(out), conf, "", "config", conf, list(overrides))
        return from_mapping(IndexParams, yaml.safe_load(out.read_text())["index"], section="index")

    large = composed("benchmark=imagenet1k", "backbone=vit_b", "benchmark.expected.ninco=1")
    assert large.expected is not None
    assert large.expected_classes is not None
    assert (large.expected["imagenet1k_train"], large.expected["ninco"]) == (1_281_167, 1)
    assert large.expected_classes["imagenet1k_train"] == 1_000
    assert set(large.expected_classes) <= set(large.expected)
    assert composed("benchmark=folders", "backbone=vit_b").expected is None


@pytest.fixture
def train(val: Path) -> tuple[str, Classes]:
    """Classes of a training set with a third class, n5."""
    for name in ("n1", "n2", "n5"):
        (val.parent / "train" / name).mkdir(parents=True)
        (val.parent / "train" / name / "a.png").touch()
    return "train", list_images("train", read_spec("train", str(val.parent / "train")))[1]


def test_a_test_set_without_a_training_class_stops_unless_a_part_is_meant(val, train):
    testing = {"role": Role(testing=True), "reference": train}

    with pytest.raises(
        SourceError,
        match=r"'mine' must have a folder .* of the 3 classes of 'train', .*; 1 have none: n5\. .*"
        r"datasets\.mine\.include_classes or -S index\.partial=true",
    ):
        index(val, **testing)
    assert not (val.parent / "i.parquet").exists()
    assert index(val, partial=True, **testing) == 4
    assert index(val, options={"include_classes": ["n1"]}, **testing) == 2
    assert index(val, options={"exclude_classes": ["n2"]}, **testing) == 2


def test_a_complete_test_set_and_a_sample_with_numbers_are_no_error(val, train):
    (val.parent / "list.txt").write_text("n1/a.png 0\nn2/a.png 1\n")
    sample = {"source": "list", "path": str(val.parent / "list.txt"), "root": str(val)}
    testing = {"role": Role(testing=True), "reference": train}

    assert index(val, options={**sample, "classes": ["n1", "n2", "n5"]}, **testing) == 2
    (val / "n5").mkdir()
    (val / "n1/a.png").rename(val / "n5/a.png")
    assert index(val, **testing) == 4
