"""Features computed elsewhere arrive unchanged from every kind of file, or not at all."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.extraction import import_store as import_store_module
from pipeline.extraction.extract_params import ExtractParams
from pipeline.extraction.imports import import_features, import_text
from pipeline.extraction.locks import CacheError, Claim
from pipeline.sources.array_files import ImportedFileError, open_arrays
from pipeline.sources.natural_order import by_number
from pipeline.storage.store import read_features
from pipeline.storage.write_store import write_store

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(30, 6)).astype(np.float32) * 4
INDEX = pl.DataFrame({"label": pl.Series(range(30), dtype=pl.Int32)})
LISTS = {"x": pl.List(pl.Float32)}


def save(path: Path, features: np.ndarray) -> Path:
    """Write features as the kind that the suffix says."""
    match path.suffix:
        case ".npy":
            np.save(path, features)
        case ".npz":
            np.savez(path, labels=np.zeros(len(features)), image_features=features)
        case ".pt":
            torch = pytest.importorskip("torch")
            torch.save({"features": torch.from_numpy(features), "labels": torch.zeros(3)}, path)
        case ".safetensors":
            from safetensors.numpy import save_file

            save_file({"embeddings": features}, path)
        case ".parquet":
            pl.DataFrame({"id": range(len(features)), "features": features}).write_parquet(path)
        case _:
            write_clip_retrieval(path, features)
    return path


def write_clip_retrieval(path: Path, features: np.ndarray) -> None:
    """Twelve parts, so that part 10 must not come before part 2."""
    (path / "img_emb").mkdir(parents=True)
    (path / "metadata").mkdir()
    for number, part in enumerate(np.array_split(features, 12)):
        np.save(path / f"img_emb/img_emb_{number}.npy", part)
        pl.DataFrame({"label": [0] * len(part)}).write_parquet(
            path / f"metadata/metadata_{number}.parquet"
        )


def imported(path: Path, **model: object):
    return import_features("mine", {"files": {"set": str(path)}, **model}, "set", INDEX)


def test_rows_of_another_norm_than_the_bank_are_refused_before_anything_is_fitted(tmp_path):
    unit = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    files = {
        "train": str(save(tmp_path / "train.npy", FEATURES)),
        "test": str(save(tmp_path / "test.npy", FEATURES)),
        "set": str(save(tmp_path / "set.npy", unit)),
    }

    def norm_of(dataset: str, **model: object) -> str:
        return import_features("mine", {"files": files, **model}, dataset, INDEX).norm

    assert norm_of("train") == norm_of("test") == "raw"
    with pytest.raises(
        ImportedFileError,
        match=r"train\.npy' are 'raw' .*set\.npy' 'unit' .* models\.mine\.normalise=",
    ):
        norm_of("set")
    assert norm_of("set", normalise=True) == "unit"

    save(tmp_path / "train.npy", np.concatenate([np.tile(unit, (60, 1)), FEATURES]))
    assert norm_of("test") == "raw"  # a raw bank too, though its first block is of unit rows
    files["train"] = str(tmp_path / "none.npy")
    assert norm_of("set") == "unit"


@pytest.mark.parametrize("name", ["f.npy", "f.npz", "f.pt", "f.safetensors", "f.parquet", "clip"])
def test_every_kind_of_file_gives_the_same_rows(name, tmp_path):
    rows, labels, norm, space = imported(save(tmp_path / name, FEATURES))

    np.testing.assert_array_equal(rows.read(), FEATURES)
    assert (norm, space, rows.shape) == ("raw", "features", (30, 6))
    np.testing.assert_array_equal(labels, np.arange(30))


def test_an_import_becomes_a_store_like_any_other(tmp_path):
    rows, labels, norm, space = imported(save(tmp_path / "f.npy", FEATURES))

    write_store(tmp_path / "s.zarr", iter(rows), labels, {"norm": norm, "space": space})

    stored = read_features(tmp_path / "s.zarr")
    np.testing.assert_array_equal(stored.features, FEATURES.astype(np.float16))
    np.testing.assert_array_equal(stored.labels, labels)
    assert stored.attributes["norm"] == "raw"


def test_half_precision_and_double_are_widened_or_narrowed(tmp_path):
    for dtype in (np.float16, np.float64):
        rows = imported(save(tmp_path / "f.npy", FEATURES.astype(dtype))).features.read()
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, FEATURES.astype(dtype).astype(np.float32))


def test_unit_rows_are_noticed_and_a_wrong_declaration_refused(tmp_path):
    unit = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    path = save(tmp_path / "f.npy", unit.astype(np.float16))

    assert imported(path).norm == imported(path, norm="unit").norm == "unit"
    with pytest.raises(ImportedFileError, match=r"declares 'raw', but .* 'unit' \(norms from"):
        imported(path, norm="raw")
    raw = save(tmp_path / "g.npy", FEATURES)
    with pytest.raises(ImportedFileError, match=r"declares 'unit', but .*'raw'.*normalise: true"):
        imported(raw, norm="unit")
    rows, _, norm, _ = imported(raw, norm="unit", normalise=True)
    assert norm == "unit"
    np.testing.assert_allclose(rows.read(), unit, atol=1e-6)


def test_text_without_a_projection_means_joint_rows(tmp_path):
    path = save(tmp_path / "f.npy", FEATURES)

    assert imported(path, class_embeddings="c.npy").space == "joint"
    assert imported(path, class_embeddings="c.npy", projection="p.npy").space == "features"
    assert imported(path, space="joint").space == "joint"


def spoiled(value: float, row: int) -> np.ndarray:
    features = FEATURES.copy()
    features[row] = value
    return features


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (FEATURES[:29], r"has 29 rows, and the index of 'set' 30 labels"),
        (spoiled(np.nan, 7), r"must be finite; NaN or infinity in 1 rows .* row 7"),
        (spoiled(np.inf, 0), r"must be finite.* row 0"),
        (FEATURES.astype(np.float64) * 1e300, r"must be finite"),
        (spoiled(0, 12), r"zero rows.* row 12"),
        (FEATURES.astype(np.int32), r"floating point features, got int32; is it a file of labels"),
        (FEATURES[0], r"must hold a matrix \[rows width\], got the shape \(6,\)"),
    ],
)
def test_rows_that_cannot_be_features_are_refused(features, message, tmp_path):
    with pytest.raises(ImportedFileError, match=message):
        imported(save(tmp_path / "f.npy", features))


def test_a_file_that_is_missing_damaged_ambiguous_or_unsafe_is_refused(tmp_path):
    with pytest.raises(
        ImportedFileError, match=r"models\.mine\.files has no file for 'set'; it has a"
    ):
        import_features("mine", {"files": {"a": "b"}}, "set", INDEX)
    with pytest.raises(ImportedFileError, match="there is no file"):
        imported(tmp_path / "none.npy")
    (tmp_path / "cut.npy").write_bytes(save(tmp_path / "f.npy", FEATURES).read_bytes()[:300])
    with pytest.raises(ImportedFileError, match=r"cut\.npy' cannot be read as \.npy"):
        imported(tmp_path / "cut.npy")
    np.savez(tmp_path / "two.npz", a=FEATURES, b=FEATURES)
    with pytest.raises(ImportedFileError, match=r"holds a, b; none of them is called .*columns"):
        imported(tmp_path / "two.npz")
    assert len(imported(tmp_path / "two.npz", columns={"features": "b"}).features) == 30
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ImportedFileError, match="cannot be read"):
        imported(tmp_path / "objects.npy")
    with pytest.raises(ImportedFileError, match=r"must be one of \.npy, "):
        imported(Path(__file__))


def test_text_vectors_become_unit_and_must_fit(tmp_path):
    vectors, projection = RNG.normal(size=(5, 3)), RNG.normal(size=(6, 3))
    paths = {"class_embeddings": str(save(tmp_path / "c.npy", vectors))}
    paths["projection"] = str(save(tmp_path / "p.npy", projection))

    arrays = import_text("mine", paths, classes=5)

    np.testing.assert_allclose(np.linalg.norm(arrays["class_embeddings"], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(arrays["projection"], projection, atol=1e-6)
    with pytest.raises(ImportedFileError, match=r"each of the 3 classes, got .*transposed"):
        import_text("mine", paths, classes=3)
    paths["projection"] = str(save(tmp_path / "q.npy", projection.T))
    with pytest.raises(ImportedFileError, match=re.escape("got the shape (3, 6) (it looks transp")):
        import_text("mine", paths, classes=5)


def test_vectors_of_negative_words_become_unit_and_must_fit(tmp_path):
    paths = {"class_embeddings": str(save(tmp_path / "c.npy", RNG.normal(size=(5, 3))))}
    words = RNG.normal(size=(20, 3))
    paths["negative_embeddings"] = str(save(tmp_path / "w.npy", words))

    found = import_text("mine", paths, classes=5)["negative_embeddings"]

    np.testing.assert_allclose(found, words / np.linalg.norm(words, axis=1)[:, None], atol=1e-6)
    paths["negative_embeddings"] = str(save(tmp_path / "x.npy", words[:, :2]))
    with pytest.raises(ImportedFileError, match=r"the width 3 .* got the shape \(20, 2\); encode"):
        import_text("mine", paths, classes=5)


def test_parts_sort_as_people_count(tmp_path):
    """Eleven of one row each, and one whose raised digit is a digit and no number."""
    for number in range(11):
        save(tmp_path / f"m2_{number}.npy", np.full((1, 2), number))
    save(tmp_path / "m2²3.npy", np.full((1, 2), 11))

    parts = open_arrays(tmp_path, column=None, names=())

    assert np.concatenate([rows for _, rows in parts.blocks()])[:, 0].tolist() == list(range(12))
    assert by_number("m2²10") == ["m", 2, "²", 10, ""]


def test_large_files_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.sources.array_files.BLOCK_ROWS", 7)
    parts = open_arrays(save(tmp_path / "f.npy", FEATURES), column=None, names=())

    assert [(start, len(rows)) for start, rows in parts.blocks()] == [
        (0, 7),
        (7, 7),
        (14, 7),
        (21, 7),
        (28, 2),
    ]


def test_an_orphan_import_leaves_the_later_run_its_store(tmp_path, monkeypatch):
    """A later run claims the store while the first still writes it."""
    monkeypatch.setenv("OOD_CACHE_DIR", str(tmp_path / "cache"))
    np.save(tmp_path / "f.npy", np.ones((3, 4), np.float32))
    index = pl.DataFrame(
        {"path": list("abc"), "sha256": [None] * 3, "label": [0, 1, 1], "class_name": list("xyy")},
        schema_overrides={"sha256": pl.String, "label": pl.Int32},
    )
    entry = {"loader": "features", "files": {"d": str(tmp_path / "f.npy")}}
    store = tmp_path / "d.zarr"

    def overtaken(*arguments, before_publishing, **options):
        def last_word():
            Claim(tmp_path / "cache" / "claims", store)
            before_publishing()

        write_store(*arguments, before_publishing=last_word, **options)

    monkeypatch.setattr(import_store_module, "write_store", overtaken)
    with pytest.raises(CacheError, match="a later run has taken over"):
        import_store_module.import_store(
            "b", "d", index=index, store=store, entry=entry, params=ExtractParams()
        )
    assert not store.exists()


@pytest.mark.parametrize(
    ("saved", "named", "cure"),
    [("f.npz", "f.npy", r"call it \.npz"), ("f.npy", "f.npz", r"call it \.npy")],
)
def test_an_array_file_under_the_other_name_says_so(tmp_path, saved, named, cure):
    array = np.ones((3, 4), np.float32)
    np.save(tmp_path / saved, array) if saved == "f.npy" else np.savez(tmp_path / saved, x=array)
    (tmp_path / saved).rename(tmp_path / named)

    with pytest.raises(ImportedFileError, match=cure):
        open_arrays(tmp_path / named, column=None, names=())


def test_hidden_files_beside_the_parts_are_no_parts(tmp_path):
    """macOS writes ._img_emb_0.npy next to img_emb_0.npy."""
    np.save(tmp_path / "img_emb_0.npy", np.ones((3, 4), np.float32))
    (tmp_path / "._img_emb_0.npy").write_bytes(b"\0\5\x16\7")

    assert open_arrays(tmp_path, column=None, names=()).shape == (3, 4)


def test_rows_without_a_number_are_no_zero_rows(tmp_path):
    np.save(tmp_path / "f.npy", np.ones((3, 0), np.float32))
    index = pl.DataFrame({"path": list("abc"), "label": [0, 0, 1]})

    with pytest.raises(ImportedFileError, match=r"must hold a matrix .* got the shape \(3, 0\)"):
        import_features("mine", {"files": {"d": str(tmp_path / "f.npy")}}, "d", index)


def rows_of(path: Path, **options: object) -> np.ndarray:
    """All rows of a file, joined from blocks."""
    parts = open_arrays(path, column=None, names=(), **options)
    return np.concatenate([rows for _, rows in parts.blocks()])


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_stored_by_columns_or_packed_give_the_same_rows(order, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.sources.array_files.BLOCK_ROWS", 7)
    features = np.asarray(FEATURES, order=order)
    np.save(tmp_path / "f.npy", features)
    np.savez(tmp_path / "f.npz", features)
    np.savez_compressed(tmp_path / "p.npz", features)

    for name in ("f.npy", "f.npz", "p.npz"):
        np.testing.assert_array_equal(rows_of(tmp_path / name), FEATURES)
        array = open_arrays(tmp_path / name, column=None, names=()).arrays[0]
        np.testing.assert_array_equal(array[9:20], FEATURES[9:20])


def test_bfloat16_and_files_of_old_pytorch_are_read(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    short = torch.from_numpy(FEATURES).bfloat16()
    torch.save(short, tmp_path / "f.pt")
    torch.save({"x": short}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    torch.save(torch.from_numpy(FEATURES.T.copy()).bfloat16().T, tmp_path / "turned.pt")
    save_file({"x": short}, tmp_path / "f.safetensors")

    for name in ("f.pt", "old.pt", "turned.pt", "f.safetensors"):
        np.testing.assert_array_equal(rows_of(tmp_path / name), short.float().numpy())


def test_parquet_is_read_over_its_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.sources.parquet_rows.SPAN_BYTES", 1)
    monkeypatch.setattr("pipeline.sources.array_files.BLOCK_ROWS", 700)
    features = RNG.normal(size=(3000, 2)).astype(np.float32)
    for number, column in enumerate((features, features.tolist())):
        path = tmp_path / f"{number}.parquet"
        table = pl.DataFrame({"x": column}, schema_overrides={} if number == 0 else LISTS)
        table.write_parquet(path, row_group_size=400)
        np.testing.assert_array_equal(rows_of(path), features)


def test_a_file_that_is_damaged_further_on_or_written_anew_is_refused(tmp_path):
    path = save(tmp_path / "f.npz", FEATURES)
    place = path.read_bytes().index(FEATURES.tobytes())
    damaged = bytearray(path.read_bytes())
    damaged[place + 600] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ImportedFileError, match=r"f\.npz' cannot be read as \.npz \(Bad CRC-32"):
        imported(path)

    rows = imported(save(tmp_path / "f.npy", FEATURES)).features
    save(tmp_path / "g.npy", FEATURES).replace(tmp_path / "f.npy")
    with pytest.raises(ImportedFileError, match=r"f\.npy' changed while it was read; run the same"):
        rows.read()


def test_a_file_of_one_array_an_image_is_told_in_one_line(tmp_path):
    """By some names and their number, not by all."""
    torch = pytest.importorskip("torch")
    vectors = {f"class/{row}.jpg": FEATURES[row] for row in range(30)}
    np.savez(tmp_path / "f.npz", **{name.replace("/", "_"): row for name, row in vectors.items()})
    torch.save({name: torch.from_numpy(row) for name, row in vectors.items()}, tmp_path / "f.pt")

    for name in ("f.npz", "f.pt"):
        with pytest.raises(
            ImportedFileError,
            match=r"4\.jpg, … \(30 in all\); .*one array for each image.* one matrix .* labels",
        ) as told:
            imported(tmp_path / name)
        assert len(str(told.value)) < 600
        with pytest.raises(ImportedFileError, match=r"has no 'z'; it holds .* … \(30 in all\)$"):
            imported(tmp_path / name, columns={"features": "z"})


def test_numpy_arrays_and_python_objects_in_a_pickle_are_refused_with_a_cure(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"features": FEATURES}, tmp_path / "f.pt")
    words = np.array(["ant", "bee"], dtype=object)
    np.save(tmp_path / "l.npy", words, allow_pickle=True)
    np.savez(tmp_path / "l.npz", labels=words, allow_pickle=True)

    with pytest.raises(
        ImportedFileError, match=r"f\.pt' cannot be read as \.pt: .*numpy.* torch\.from_numpy"
    ) as told:
        imported(tmp_path / "f.pt")
    assert "\x1b" not in str(told.value)
    for name in ("l.npy", "l.npz"):
        with pytest.raises(ImportedFileError, match=r"cannot be read as \.np.: .*astype\(str\)"):
            rows_of(tmp_path / name)


def test_a_list_of_batches_is_joined_and_rows_are_stacked(tmp_path):
    torch = pytest.importorskip("torch")
    rows = torch.from_numpy(FEATURES)
    torch.save(list(rows.split(8)), tmp_path / "batches.pt")
    torch.save({"x": tuple(rows)}, tmp_path / "rows.pt")
    torch.save([rows, rows[:, :3]], tmp_path / "widths.pt")
    torch.save([rows[0], rows[0, :3]], tmp_path / "lengths.pt")
    torch.save([], tmp_path / "none.pt")

    for name in ("batches.pt", "rows.pt"):
        np.testing.assert_array_equal(rows_of(tmp_path / name), FEATURES)
    for name in ("widths.pt", "lengths.pt"):
        with pytest.raises(
            ImportedFileError, match=r"tensors of the shapes .* save one tensor.* torch\.cat"
        ):
            rows_of(tmp_path / name)
    with pytest.raises(ImportedFileError, match="an empty list"):
        rows_of(tmp_path / "none.pt")


def test_keys_of_a_torch_file_may_be_numbers(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({0: torch.from_numpy(FEATURES), 1: torch.zeros(30)}, tmp_path / "f.pt")

    rows = imported(tmp_path / "f.pt", columns={"features": "0"}).features

    np.testing.assert_array_equal(rows.read(), FEATURES)
    with pytest.raises(ImportedFileError, match="holds 0, 1; none of them is called"):
        imported(tmp_path / "f.pt")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 2.0], [3.0, 4.0], None], r"'x' in .* must have a value in every row; row 2 is emp"),
        ([None, [1.0, 2.0]], r"must have a value in every row; row 0 is empty"),
        ([[1.0, 2.0], [3.0], []], r"must be of one length; row 1 has 1 values, the first row 2"),
        ([[[1.0, 2.0]], [[3.0, 4.0]]], r"must be flat lists of numbers, got List\(List\(Float64"),
        ([["a", "b"]], r"must be flat lists of numbers, got List\(String\)"),
    ],
)
def test_rows_of_a_table_that_are_no_vectors_are_named(rows, message, tmp_path):
    filled = [[1.0, 2.0]] * 1500 if message.endswith("emp") else []
    pl.DataFrame({"x": filled + rows}, strict=False).write_parquet(tmp_path / "f.parquet")

    with pytest.raises(ImportedFileError, match=message.replace("row 2 is", "row 1502 is")):
        rows_of(tmp_path / "f.parquet")
