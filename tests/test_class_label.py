"""Label numbers of a Parquet file with names: two classes of one name, parts of other orders."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.datasets.images import ImageParams
from pipeline.indexing.index_dataset import Role, index_dataset
from pipeline.indexing.indexing import IndexParams, UnreadableImagesError, list_images
from pipeline.indexing.labels import Classes
from pipeline.language.class_names import class_names
from pipeline.language.shipped import imagenet_wnids
from pipeline.sources import SourceError, read_spec

# As ImageNet-1k on the hub: two classes are called crane, at 134 and 517.
BIRDS = ["ant, Formica", "crane", "bee", "crane"]
WNIDS = ["n1", "n2", "n3", "n4"]


def write(path: Path, labels: list[int] | list[str], names: list[str] | None) -> None:
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    told = json.dumps({"info": {"features": features}})
    images = [b"%d" % row for row in range(len(labels))]
    pl.DataFrame({"image": images, "label": labels}).write_parquet(
        path, metadata={"huggingface": told} if names else None
    )


def listed(
    path: Path, reference: tuple[str, Classes] | None = None, **options: Any
) -> tuple[list[str], Classes]:
    spec = read_spec("mine", {"source": "parquet", "path": str(path), **options})
    entries, classes, _ = list_images("mine", spec, reference=reference)
    return [entry.class_key for entry in entries], classes


def test_two_classes_of_one_name_are_two_classes_that_keep_it_as_name(tmp_path):
    write(tmp_path / "a.parquet", [3, 0, 1, -1], BIRDS)

    keys, classes = listed(tmp_path / "a.parquet", max_per_class=9)

    assert keys == ["crane (3)", "ant, Formica", "crane (1)", ""]
    assert classes.keys == ["ant, Formica", "crane (1)", "bee", "crane (3)"]
    assert classes.names == BIRDS


def test_classes_go_by_the_number_of_a_name(tmp_path):
    write(tmp_path / "a.parquet", [3, 0, 1, -1], BIRDS)

    keys, classes = listed(tmp_path / "a.parquet", classes=WNIDS)

    assert keys == ["n4", "n1", "n2", ""]
    assert classes == Classes(WNIDS, WNIDS)
    train = "train", Classes(sorted(WNIDS, reverse=True), WNIDS)
    assert listed(tmp_path / "a.parquet", classes=WNIDS, reference=train)[1] == train[1]


def test_a_list_of_the_names_themselves_is_another_order(tmp_path):
    write(tmp_path / "a.parquet", [0, 1], ["zebra", "ant"])

    keys, classes = listed(tmp_path / "a.parquet", classes=["ant", "zebra"])

    assert (keys, classes.keys) == (["zebra", "ant"], ["ant", "zebra"])


def test_readable_names_go_by_key_or_by_number(tmp_path):
    write(tmp_path / "a.parquet", [0], ["x", "y"])
    (tmp_path / "names.json").write_text('["an x", "a y"]')

    for told in (
        {"x": "an x", "y": "a y"},
        {"0": "an x", "1": "a y"},
        str(tmp_path / "names.json"),
    ):
        assert listed(tmp_path / "a.parquet", class_names=told)[1].names == ["an x", "a y"]
    with pytest.raises(SourceError, match="class_names has no name for 1 classes: y"):
        listed(tmp_path / "a.parquet", class_names={"0": "an x"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": ["ant", "lion"]}, "lists 'ant', a class of .*, but not its 'zebra' .1 of 2 "),
        ({"classes": ["x", "y", "z"]}, "class for each of the 2 numbers .* got 3, counted from 0"),
        ({"classes": ["x", "y"], "first_label": 1}, "counted from 0; got 2, counted from 1"),
    ],
)
def test_a_list_that_fits_neither_names_nor_numbers_is_refused(options, said, tmp_path):
    """By position 'ant' would be the zebra: its number is 0."""
    write(tmp_path / "a.parquet", [0, 1], ["zebra", "ant"])

    with pytest.raises(SourceError, match=said):
        listed(tmp_path / "a.parquet", **options)


def test_each_part_goes_by_its_own_names(tmp_path):
    """By hand: number 0 is the ant in one part and the zebra in the other."""
    write(tmp_path / "0.parquet", [0, 1], ["zebra", "ant"])
    write(tmp_path / "1.parquet", [0, 1], ["ant", "zebra"])

    keys, classes = listed(tmp_path)

    assert keys == ["zebra", "ant", "ant", "zebra"]
    assert classes.keys == ["zebra", "ant"]


def test_a_part_without_a_label_needs_no_names(tmp_path):
    write(tmp_path / "0.parquet", [0, 1], ["zebra", "ant"])
    write(tmp_path / "1.parquet", [-1, -1], None)

    assert listed(tmp_path)[0] == ["zebra", "ant", "", ""]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["ant", "lion"], r"0\.parquet' and '.*1\.parquet' differ in 'lion'\. Give each as"),
        (None, r"0\.parquet' and '.*1\.parquet' do not: the second names none"),
    ],
)
def test_parts_that_name_other_classes_are_refused_by_both_files(names, said, tmp_path):
    write(tmp_path / "0.parquet", [0, 1], ["zebra", "ant"])
    write(tmp_path / "1.parquet", [0, 1], names)

    with pytest.raises(SourceError, match=said):
        listed(tmp_path)


def test_equal_names_at_other_numbers_are_not_paired_by_guess(tmp_path):
    write(tmp_path / "0.parquet", [1, 3], BIRDS)
    write(tmp_path / "1.parquet", [1, 3], ["crane", "ant, Formica", "bee", "crane"])

    with pytest.raises(SourceError, match=r"differ in 'crane \([01]\)'"):
        listed(tmp_path)


@pytest.mark.parametrize("label", [2, -2])
def test_a_number_without_a_name_is_refused(label, tmp_path):
    write(tmp_path / "a.parquet", [0, label], ["zebra", "ant"])

    with pytest.raises(SourceError, match=f"has the label {label}, but names 2 classes, 0 to 1"):
        listed(tmp_path)


def test_text_labels_keep_their_words(tmp_path):
    write(tmp_path / "a.parquet", ["x", "y"], ["zebra", "ant"])

    assert listed(tmp_path)[0] == ["x", "y"]


def test_names_that_are_no_class_of_the_training_set_are_told_the_cure(tmp_path):
    write(tmp_path / "a.parquet", [0, 1], ["zebra", "ant"])

    with pytest.raises(
        SourceError, match="keys of 'train' in the order of its numbers by datasets.mine.classes"
    ):
        listed(tmp_path, reference=("train", Classes(["n1", "n2"], ["n1", "n2"])))


def test_the_names_of_imagenets_numbers_become_its_wordnet_ids_by_one_word(tmp_path):
    """As its Parquet on the hub: names for the numbers 0 to 999, of which two are equal."""
    names = list(class_names("imagenet1k_openai", imagenet_wnids()))
    write(tmp_path / "a.parquet", [999, 0, 134], names)

    keys, classes = listed(tmp_path / "a.parquet", classes="imagenet1k")

    assert keys == [imagenet_wnids()[number] for number in (999, 0, 134)]
    assert classes.keys == list(imagenet_wnids())


def test_a_training_set_without_names_for_its_classes_stops_before_its_images_are_read(tmp_path):
    """It used to stop in encode_text, after hours of indexing; these images would not decode."""
    write(tmp_path / "a.parquet", [0, 1, 2, 3], BIRDS)
    spec = read_spec("mine", {"source": "parquet", "path": str(tmp_path / "a.parquet")})

    def index(named: str) -> None:
        index_dataset(
            "mine",
            spec,
            tmp_path / "index.parquet",
            params=IndexParams(),
            images=ImageParams(),
            role=Role(training=True),
            names_from=named,
        )

    with pytest.raises(ValueError, match=r"no name for class 'ant, Formica': 4 of 4 .*imagenet1k"):
        index("imagenet1k_clean")
    (tmp_path / "names.txt").write_text("ant\ncrane\nbee\nmachine\n")
    with pytest.raises(UnreadableImagesError):
        index(str(tmp_path / "names.txt"))
