"""What is doubtful about labelled images: a missing class, one class twice, one file twice."""

import os
from pathlib import Path

import polars as pl
import pytest

from pipeline.datasets.index import SCHEMA
from pipeline.indexing.class_doubts import doubts, one_class_twice
from pipeline.indexing.id_sets import check_id
from pipeline.sources import Entry, SourceError, read_spec


def index(*rows: tuple[str, str, str | None]) -> pl.DataFrame:
    """An index of (class name, file name, hash)."""
    labels = sorted({name for name, *_ in rows})
    columns = {
        "row": list(range(len(rows))),
        "path": [f"{name}/{file}" for name, file, _ in rows],
        "label": [labels.index(name) for name, *_ in rows],
        "class_name": [name for name, *_ in rows],
        "sha256": [digest for *_, digest in rows],
        "error": [None] * len(rows),
    }
    return pl.DataFrame(columns, schema=SCHEMA)


def test_nothing_doubtful_is_nothing_said():
    clean = index(("ant", "1.png", "a"), ("ant", "2.png", "a"), ("bee", "1.png", "b"))

    assert doubts(clean, reference=["ant", "bee"]) == []
    assert doubts(index(("ant", "1.png", None), ("bee", "1.png", None))) == []


def test_training_classes_without_test_images_are_named():
    (said,) = doubts(index(("bee", "1.png", "a")), reference=["ant", "bee", "cat", "dog", "eel"])

    assert said.startswith(
        "4 of the 5 training classes have no images here: ant, cat, dog, and 1 more;"
    )


def test_a_class_under_two_names():
    rows = [(name, "1.png", name) for name in ("sea_lion", "Sea  lion", "seal", "ant")]

    (said,) = doubts(index(*rows))

    assert said.startswith("1 class stands under two names that differ by case")
    assert "Sea  lion = sea_lion;" in said


def test_two_classes_under_two_names_are_counted():
    rows = [(name, "1.png", name) for name in ("ant", "Ant", "bee", "Bee", "cat")]

    (said,) = doubts(index(*rows))

    assert said.startswith("2 classes stand under two names")
    assert "Ant = ant, Bee = bee;" in said


def test_a_training_set_with_one_class_under_two_names_is_refused():
    """The images of one animal would be two classes, of which only the first can win by text."""
    entries = [Entry(f"{key}/1.png", key) for key in ("sea_lion", "Sea  lion", "seal")]

    with pytest.raises(
        SourceError, match="'Sea  lion' and 'sea_lion' differ by case, .* in one folder; if they"
    ):
        check_id(entries, dataset="tr", training=True)
    check_id(entries, dataset="te", training=False)  # whose classes are those of the training set


def test_the_case_of_a_single_letter_tells_classes_apart():
    assert one_class_twice(["a", "A", "latin_a", "latin_A", "US", "cat"]) == []
    assert one_class_twice(["Latin a", "latin_a", "Cat", "cat"]) == [
        ["Cat", "cat"],
        ["Latin a", "latin_a"],
    ]
    letters = index(*((name, "1.png", name) for name in ("a", "A", "latin_a", "latin_A")))
    assert doubts(letters) == []


def test_an_accent_as_one_sign_or_two_does_not_tell_classes_apart():
    """As macOS unpacks an archive, and as Linux does."""
    both = ["cafe\u0301", "caf\u00e9"]

    assert one_class_twice([*both, "cafe"]) == [both]
    (said,) = doubts(index((both[0], "1.png", "a"), (both[1], "2.png", "b")))
    assert "differ by case, spaces, underscores or how accents are coded only" in said


def test_a_file_under_two_classes():
    (said,) = doubts(index(("ant", "1.png", "a"), ("bee", "9.png", "a"), ("bee", "2.png", "b")))

    assert said.startswith("1 file stands under two classes")
    assert "ant/1.png = bee/9.png" in said


@pytest.mark.parametrize("closed", [".", "train"])
def test_a_data_root_that_may_not_be_read_says_so(tmp_path, monkeypatch, closed):
    """As another user: the superuser may read everything, so the system's answer is given."""
    (tmp_path / "train").mkdir()
    if closed == ".":

        def refuse(self):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "exists", refuse)
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(SourceError, match=r"'datasets.x.path' is at .*you may not read it"):
        read_spec("x", {"source": "folder", "path": str(tmp_path / "train")})
