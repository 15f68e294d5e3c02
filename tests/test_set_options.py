"""An option that a data set cannot honour is refused; none is accepted and then ignored."""

import polars as pl
import pytest

from pipeline.indexing.indexing import list_images
from pipeline.sources import SourceError, open_source, read_spec


@pytest.fixture
def animals(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "dog/3.png"):
        (tmp_path / "animals" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "animals" / name).write_bytes(b"x")
    return str(tmp_path / "animals")


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({}, ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "dog/3.png"]),
        ({"max_per_class": 1}, ["cat/1.png", "dog/1.png"]),
        ({"include_classes": ["cat"]}, ["cat/1.png", "cat/2.png"]),
        ({"exclude_classes": ["dog"], "max_per_class": 1}, ["cat/1.png"]),
    ],
)
def test_filters_see_the_classes_that_are_dropped(options, paths, animals):
    entries, classes, _ = list_images(
        "mine", read_spec("mine", {"path": animals, "classes": False, **options})
    )

    assert [tuple(entry) for entry in entries] == [(path, "") for path in paths]
    assert classes.keys == []


@pytest.mark.parametrize("option", ["include_classes", "exclude_classes"])
def test_a_filter_of_a_class_that_does_not_exist_is_refused_without_labels_too(option, animals):
    entry = {"path": animals, "classes": False, option: ["nonsense"]}

    with pytest.raises(SourceError, match=f"{option} names the class 'nonsense', which is not am"):
        list_images("mine", read_spec("mine", entry))


def test_filters_that_leave_nothing_are_refused(animals):
    with pytest.raises(SourceError, match="'mine' must hold images; its filters leave none"):
        list_images("mine", read_spec("mine", {"path": animals, "include_classes": []}))


@pytest.mark.parametrize("source", ["list", "parquet", "cifar", "mat", "idx", "features"])
def test_patterns_of_files_to_ignore_are_for_trees_of_files_only(source, animals):
    with pytest.raises(ValueError, match=r"unknown parameter 'datasets\.mine\.ignore'; known:"):
        read_spec("mine", {"source": source, "path": animals, "ignore": ["*.csv"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": False, "class_names": {"cat": "tom"}}, "class_names' names classes that"),
        ({"first_label": 1}, "first_label' is the number of the first class of a list"),
        ({"max_per_class": 0}, "max_per_class' must be at least 1, got 0"),
        ({"class_depth": 0}, "class_depth' must be at least 1, got 0; for images without"),
        ({"class_depth": 2, "labels": "x.txt"}, r"class_depth' .* are told by '.*labels'; remove"),
        (
            {"source": "features", "columns": {"label": "y"}},
            "and labels only, got 'label'",
        ),
        ({"source": "list", "strip": -1}, "strip' must be at least 0, got -1"),
    ],
)
def test_an_option_without_effect_is_refused_when_the_entry_is_read(options, message, animals):
    (options := {**options}).setdefault("source", "folder")

    with pytest.raises(SourceError, match=message):
        read_spec("mine", {"path": animals, **options})


def test_a_label_column_that_is_named_must_exist(tmp_path):
    pl.DataFrame({"image": [b"x"], "fine": [0]}).write_parquet(tmp_path / "a.parquet")
    entry = {"source": "parquet", "path": str(tmp_path / "a.parquet")}

    with pytest.raises(SourceError, match=r"no column 'fnie'; it has image, fine: set label_col"):
        open_source(read_spec("mine", {**entry, "label_column": "fnie"})).entries()
    assert open_source(read_spec("mine", entry)).entries()[0].class_key == ""
