"""Labels of features computed elsewhere are found by their usual names, and never invented."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.extraction.imports import import_features, import_text
from pipeline.sources import SourceError, open_source, read_spec
from pipeline.sources.array_files import ImportedFileError

ROWS = np.ones((3, 2), np.float32)


def keys(path: Path, **options: object) -> list[str]:
    entry = {"source": "features", "path": str(path), **options}
    return [found.class_key for found in open_source(read_spec("mine", entry)).entries()]


def saved(path: Path, labels: object) -> str:
    np.save(path, np.asarray(labels))
    return str(path)


@pytest.mark.parametrize("name", ["labels", "label", "y", "targets", "target", "class"])
def test_labels_beside_features_are_found_by_their_usual_names(name, tmp_path):
    arrays: dict[str, Any] = {"x": ROWS, name: [2, 0, -1]}
    np.savez(tmp_path / "f.npz", **arrays)
    pl.DataFrame({"features": ROWS, name: ["b", "a", "b"]}).write_parquet(tmp_path / "f.parquet")

    assert keys(tmp_path / "f.npz") == ["2", "0", ""]
    assert keys(tmp_path / "f.parquet") == ["b", "a", "b"]


def test_labels_of_a_torch_file_are_found_too(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"features": torch.ones(3, 2), "y": torch.tensor([1, 0, 1])}, tmp_path / "f.pt")
    torch.save(torch.ones(3, 2), tmp_path / "g.pt")

    assert keys(tmp_path / "f.pt") == ["1", "0", "1"]
    assert keys(tmp_path / "g.pt") == ["", "", ""]


def write_clip_retrieval(folder: Path, columns: list[str]) -> Path:
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for part, column in enumerate(columns):
        np.save(folder / f"img_emb/img_emb_{part}.npy", ROWS)
        table = pl.DataFrame({"key": ["k"] * 3, column: [part] * 3})
        table.write_parquet(folder / f"metadata/metadata_{part}.parquet")
    return folder


def test_labels_of_clip_retrievals_metadata_are_found(tmp_path):
    assert keys(write_clip_retrieval(tmp_path / "a", ["label", "label"])) == list("000111")
    assert keys(write_clip_retrieval(tmp_path / "b", ["url", "url"])) == [""] * 6
    for number, columns in enumerate((["label", "url"], ["url", "label"])):
        with pytest.raises(ImportedFileError, match=r"has no 'labels.*the other parts in .* do"):
            keys(write_clip_retrieval(tmp_path / str(number), columns))


def test_a_single_array_without_a_usual_name_is_no_labels(tmp_path):
    """One column of numbers may be anything; a file that is one array is what it looks like."""
    np.savez(tmp_path / "f.npz", arr_0=ROWS)
    assert keys(tmp_path / "f.npz") == ["", "", ""]
    np.savez(tmp_path / "g.npz", ids=[7, 8, 9])
    assert keys(tmp_path / "g.npz") == ["", "", ""]

    saved(tmp_path / "f.npy", ROWS)
    assert keys(tmp_path / "f.npy") == ["", "", ""]
    saved(tmp_path / "labels.npy", [2, 0, 1])
    assert keys(tmp_path / "labels.npy") == ["2", "0", "1"]


def test_two_usual_names_in_one_file_must_be_told_apart(tmp_path):
    np.savez(tmp_path / "f.npz", x=ROWS, y=[0, 1, 2], label=[2, 1, 0])

    with pytest.raises(ImportedFileError, match="holds label and y; name the right one in `colu"):
        keys(tmp_path / "f.npz")
    assert keys(tmp_path / "f.npz", columns={"labels": "y"}) == ["0", "1", "2"]
    with pytest.raises(ImportedFileError, match="has no 'z'; it holds x, y, label"):
        keys(tmp_path / "f.npz", columns={"labels": "z"})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3), r"one label a row, got an array of the shape \(3, 3\); of one-hot rows save"),
        ([0.0, np.inf, 1.0], "whole numbers as labels, got inf in row 1 of 3"),
        ([0.0, 1.0, np.nan], "whole numbers as labels, got nan in row 2"),
        ([0.0, 0.5, 1.0], "whole numbers as labels, got 0.5"),
        ([0.0, 1e300, 1.0], r"whole numbers as labels, got 1e\+300"),
        ([b"a", b"\xe9", b"c"], "must hold text in UTF-8 as labels"),
        (np.array([1, 2, 3], "datetime64[D]"), "whole numbers or text as labels, got datetime"),
    ],
)
def test_a_labels_file_that_holds_no_labels_is_refused(labels, message, tmp_path):
    saved(tmp_path / "f.npy", ROWS)

    with pytest.raises(SourceError, match=message):
        keys(tmp_path / "f.npy", labels=saved(tmp_path / "l.npy", labels))


def test_one_hot_rows_beside_features_are_refused_too(tmp_path):
    np.savez(tmp_path / "f.npz", x=ROWS, labels=np.eye(3))

    with pytest.raises(SourceError, match=r"one label a row, got an array of the shape \(3, 3\)"):
        keys(tmp_path / "f.npz")


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([b"cat", b"dog", b"caf\xc3\xa9"], ["cat", "dog", "caf\u00e9"]),
        ([[2], [0], [-1]], ["2", "0", ""]),
        ([2.0, 0.0, 1.0], ["2", "0", "1"]),
        (np.array([2, 0, 1], np.float16), ["2", "0", "1"]),
        ([True, False, True], ["1", "0", "1"]),
    ],
)
def test_bytes_columns_and_whole_floats_are_labels(labels, found, tmp_path):
    saved(tmp_path / "f.npy", ROWS)

    assert keys(tmp_path / "f.npy", labels=saved(tmp_path / "l.npy", labels)) == found


def test_bytes_in_a_table_are_decoded(tmp_path):
    table = pl.DataFrame({"x": ROWS, "label": [b"a", b"b", b"a"]})
    table.write_parquet(tmp_path / "f.parquet")

    assert keys(tmp_path / "f.parquet") == ["a", "b", "a"]


def test_every_part_of_a_folder_must_be_of_the_same_kind(tmp_path):
    folder, labels = tmp_path / "f", tmp_path / "l"
    folder.mkdir()
    labels.mkdir()
    saved(folder / "0.npy", ROWS)
    saved(folder / "1.npy", ROWS.astype(np.int8))
    saved(labels / "0.npy", [0, 1, 2])
    saved(labels / "1.npy", ["a", "b", "c"])
    index = pl.DataFrame({"label": pl.Series([0] * 6, dtype=pl.Int32)})

    with pytest.raises(ImportedFileError, match="floating point features, got int8; is it a file"):
        import_features("mine", {"files": {"set": str(folder)}}, "set", index)
    with pytest.raises(SourceError, match="labels of one kind, got <U1, int64"):
        keys(folder, labels=str(labels))


def test_a_misspelt_column_of_a_backbone_is_refused():
    model = {"files": {"set": "f.npy"}, "columns": {"labels": "y"}}

    message = r"models\.mine\.columns names features, .*got 'labels'; .* datasets\.<name>\.columns"
    with pytest.raises(ImportedFileError, match=message):
        import_features("mine", model, "set", pl.DataFrame())
    with pytest.raises(ImportedFileError, match=message):
        import_text("mine", {**model, "class_embeddings": "c.npy"}, classes=2)


def test_a_single_number_is_no_labels(tmp_path):
    np.savez(tmp_path / "f.npz", x=ROWS, y=3)

    with pytest.raises(ImportedFileError, match="'y' in .* must have rows, got one value"):
        keys(tmp_path / "f.npz")
