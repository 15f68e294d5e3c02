"""The file of pseudo-labels: it says which bank it was made on, and is refused on another."""

import polars as pl
import pytest

from pipeline.training.pseudo_labels import SCHEMA, read_pseudo_labels, write_pseudo_labels

BANK = {"backbone": "tiny", "dataset": "letters", "key": "k1", "rows": 5, "norm": "raw"}
OPTIONS = {"soft": False, "temperature": None, "min_confidence": None, "keep": 1.0}


def table(rows=(0, 2, 4), labels=(1, 0, 1)):
    confidence = [0.5] * len(rows)
    columns = {"row": list(rows), "pseudo_label": list(labels), "confidence": confidence}
    return pl.DataFrame(columns, schema=SCHEMA)


def test_round_trip_and_the_same_bytes_twice(tmp_path):
    for name in "ab":
        write_pseudo_labels(tmp_path / name, table(), BANK, OPTIONS)

    read, options = read_pseudo_labels(tmp_path / "a", BANK, classes=2)

    assert read.equals(table())
    assert options == OPTIONS
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_row_without_a_text_tower(tmp_path):
    write_pseudo_labels(tmp_path / "p", table((), ()), BANK, {})

    read, options = read_pseudo_labels(tmp_path / "p", BANK, classes=2)

    assert (len(read), options) == (0, {})


@pytest.mark.parametrize(
    ("key", "value"), [("backbone", "big"), ("dataset", "digits"), ("key", "k2"), ("rows", 6)]
)
def test_pseudo_labels_of_another_bank_are_refused_and_both_are_named(tmp_path, key, value):
    write_pseudo_labels(tmp_path / "p", table(), BANK, OPTIONS)

    both = f"was made on .*{key} {BANK[key]!r}.*, the bank is .*{key} {value!r}"
    with pytest.raises(ValueError, match=both):
        read_pseudo_labels(tmp_path / "p", {**BANK, key: value}, classes=2)


def test_a_file_that_does_not_name_its_bank_is_refused(tmp_path):
    table().write_parquet(tmp_path / "p")

    with pytest.raises(ValueError, match="made on a bank it does not name"):
        read_pseudo_labels(tmp_path / "p", BANK, classes=2)


@pytest.mark.parametrize("rows", [(0, 2, 5), (-1, 0, 2), (0, 2, 2), (2, 0, 4)])
def test_rows_the_bank_has_not_are_refused(tmp_path, rows):
    write_pseudo_labels(tmp_path / "p", table(rows=rows), BANK, OPTIONS)

    with pytest.raises(ValueError, match=r"each once, within 0 \.\. 4, got"):
        read_pseudo_labels(tmp_path / "p", BANK, classes=2)


@pytest.mark.parametrize("labels", [(0, 1, 2), (-1, 0, 1)])
def test_labels_of_no_class_are_refused(tmp_path, labels):
    write_pseudo_labels(tmp_path / "p", table(labels=labels), BANK, OPTIONS)

    with pytest.raises(ValueError, match=r"must be in 0 \.\. 1, got"):
        read_pseudo_labels(tmp_path / "p", BANK, classes=2)


def test_a_missing_column_is_named(tmp_path):
    write_pseudo_labels(tmp_path / "p", table().drop("confidence"), BANK, OPTIONS)

    with pytest.raises(ValueError, match="lacks 'confidence'"):
        read_pseudo_labels(tmp_path / "p", BANK, classes=2)
