"""A Parquet file that changed after it was indexed is named, and so is a column of another kind."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.sources import SourceError, open_source, read_spec


def opened(path: Path, **options: object):
    return open_source(read_spec("mine", {"source": "parquet", "path": str(path), **options}))


def write(path: Path, rows: int, **columns: object) -> Path:
    pl.DataFrame({"image": [b"%d" % row for row in range(rows)], **columns}).write_parquet(path)
    return path


def test_a_row_of_a_file_that_was_shortened_is_named(tmp_path):
    source = opened(write(tmp_path / "a.parquet", 3))
    assert source.read("a.parquet::000002") == b"2"

    shorter = opened(write(tmp_path / "a.parquet", 2))

    for row in ("2", "70"):
        with pytest.raises(SourceError, match=f"'a.parquet' has no row {row}, though the index"):
            shorter.read(f"a.parquet::00{row}")


def test_a_file_that_was_renamed_removed_or_damaged_is_named(tmp_path):
    source = opened(write(tmp_path / "a.parquet", 3))

    with pytest.raises(SourceError, match=r"there is no file 'b\.parquet', though the index"):
        source.read("b.parquet::000000")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(SourceError, match=r"a\.parquet' cannot be read \(.*index the data set ag"):
        source.read("a.parquet::000000")
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(SourceError, match=r"a\.parquet' cannot be read"):
        source.read("a.parquet::000001")


@pytest.mark.parametrize("image", [["x.png"], [{"path": "x.png"}]])
def test_a_column_that_holds_no_bytes_is_refused(image, tmp_path):
    pl.DataFrame({"image": image}).write_parquet(tmp_path / "a.parquet")

    with pytest.raises(SourceError, match=r"'image' of .* must hold the bytes of images, got"):
        opened(tmp_path / "a.parquet").read("a.parquet::000000")


@pytest.mark.parametrize("labels", [[0.0, 1.5], [[0], [1]], [True, False]])
def test_labels_that_are_neither_numbers_nor_text_are_refused(labels, tmp_path):
    path = write(tmp_path / "a.parquet", 2, label=labels)

    with pytest.raises(SourceError, match=r"'label' of .*whole numbers or text.* set label_column"):
        opened(path).entries()
    assert [entry.class_key for entry in opened(path, label_column=None).entries()] == ["", ""]


def test_labels_may_be_missing_numbers_or_text(tmp_path):
    for labels, keys in (([3, -1], ["3", ""]), (["a", None], ["a", ""]), ([None, None], ["", ""])):
        path = write(tmp_path / "a.parquet", 2, label=labels)
        assert [entry.class_key for entry in opened(path).entries()] == keys
