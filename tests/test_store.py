"""Stores: the bytes zarr itself would write, the same twice, and no silently wrong row."""

import filecmp
import json
import shutil

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec

from pipeline.storage.dtypes import to_dtype
from pipeline.storage.manifest import stored_files
from pipeline.storage.sharding import in_chunks, write_shards
from pipeline.storage.store import (
    StoreError,
    iter_shards,
    read_arrays,
    read_attributes,
    read_features,
    read_labels,
)
from pipeline.storage.write_store import shard_shape, write_arrays, write_store


def rows_of(n, d=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    """Three shards of 256 rows, the last of 88."""
    path = tmp_path / "features" / "mini" / "letters.zarr"
    labels = np.zeros(600, dtype=np.int32)  # zarr would leave a chunk of zeros out
    write_store(path, rows_of(600), labels, {"dataset": "letters", "key": "k"}, shard_rows=256)
    return path


@pytest.mark.parametrize("codec", ["none", "blosc"])
@pytest.mark.parametrize("n", [1, 1024, 2048, 5000])
def test_shards_are_the_bytes_zarr_writes(tmp_path, codec, n):
    """By definition: zarr encodes the same rows shard by shard."""
    features = rows_of(n).astype(np.float16)
    codecs = [Crc32cCodec()]
    if codec == "blosc":
        codecs.insert(0, BloscCodec(cname="zstd", clevel=5, shuffle="shuffle", typesize=2))
    array = zarr.create_array(
        tmp_path / "zarr",
        shape=features.shape,
        dtype="float16",
        chunks=(1024, 8),
        shards=(2048, 8),
        compressors=codecs,
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    for start in range(0, n, 2048):
        array[start : start + 2048] = features[start : start + 2048]

    blocks = [features[: n // 3], features[n // 3 :]]
    sizes = {"chunk_rows": 1024, "shard_rows": 2048}
    write_shards(tmp_path / "ours", blocks, dtype=np.dtype("f2"), codec=codec, **sizes)

    names = stored_files(tmp_path / "ours")
    assert names == stored_files(tmp_path / "zarr" / "c")
    assert len(names) == -(-n // 2048)
    for name in names:
        ours, theirs = tmp_path / "ours" / name, tmp_path / "zarr" / "c" / name
        assert filecmp.cmp(ours, theirs, shallow=False)


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 7))
def test_cutting_into_chunks_keeps_every_row_in_order(lengths, chunk_rows):
    rows = np.arange(sum(lengths))[:, None]
    blocks = np.split(rows, np.cumsum(lengths)[:-1]) if lengths else []

    pieces = [piece.copy() for piece in in_chunks(blocks, chunk_rows=chunk_rows)]

    assert all(len(piece) == chunk_rows for piece in pieces[:-1])
    np.testing.assert_array_equal(np.concatenate([rows[:0], *pieces]), rows)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@given(n=st.integers(1, 70), d=st.integers(1, 5), shard_rows=st.integers(1, 40))
def test_round_trip(tmp_path, n, d, shard_rows):
    features, labels = rows_of(n, d, seed=n), np.arange(n, dtype=np.int32) - 1
    path = tmp_path / "x.zarr"
    write_store(path, features, labels, {}, dtype="float32", shard_rows=shard_rows)

    found = read_features(path)
    parts = list(iter_shards(path))

    np.testing.assert_array_equal(found.features, features)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), features)
    assert [start for start, _ in parts] == list(
        range(0, n, shard_shape(n, d, shard_rows=shard_rows)[1])
    )


def test_zarr_reads_the_store_without_us(store):
    group = zarr.open_group(store, mode="r")

    np.testing.assert_array_equal(group["features"][:], rows_of(600).astype(np.float16))
    assert list(group.attrs) == ["dataset", "dtype", "key", "rows", "width"]


def test_written_twice_is_the_same_bytes(tmp_path):
    """Attributes in another order and rows in other blocks change nothing."""
    features, labels = rows_of(3000), np.arange(3000, dtype=np.int32)
    blocks = (features[start : start + 700] for start in range(0, 3000, 700))
    write_store(tmp_path / "a.zarr", features, labels, {"a": 1, "b": {"x": 1, "y": 2}})
    write_store(tmp_path / "b.zarr", blocks, labels, {"b": {"y": 2, "x": 1}, "a": 1})

    names = stored_files(tmp_path / "a.zarr")
    assert names == stored_files(tmp_path / "b.zarr")
    match, _, _ = filecmp.cmpfiles(tmp_path / "a.zarr", tmp_path / "b.zarr", names, shallow=False)
    assert match == names


def test_default_shards_hold_64_mib_and_small_arrays_are_one_shard():
    assert shard_shape(10**6, 1024) == (1024, 32768)
    assert shard_shape(10**6, 1000) == (1024, 33792)  # rounded up to whole chunks
    assert shard_shape(200, 512) == (200, 200)
    assert shard_shape(2000, 8, shard_rows=256) == (256, 256)


def test_small_groups_of_arrays_round_trip(tmp_path):
    arrays = {"projection": rows_of(4, 3), "none": np.zeros((0, 5), dtype=np.float32)}
    write_arrays(tmp_path / "t.zarr", arrays, {"class_names": ["a", "b"], "reason": None})

    found, attributes = read_arrays(tmp_path / "t.zarr")

    assert attributes == {"class_names": ["a", "b"], "reason": None}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def flip(path, position=100):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def swap(store):
    first, second = store / "features/c/0/0", store / "features/c/1/0"
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)


def edit_attributes(store):
    path = store / "zarr.json"
    path.write_text(path.read_text().replace('"letters"', '"numbers"'))


def edit_manifest(store):
    path = store / "manifest.json"
    body = json.loads(path.read_text())
    body["arrays"]["features"]["shape"][0] = 599
    path.write_text(json.dumps(body))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


DAMAGES = {
    "flipped byte": (lambda s: flip(s / "features/c/1/0"), "features/c/1/0: does not match"),
    "flipped label": (lambda s: flip(s / "labels/c/0"), "labels/c/0: does not match"),
    "flipped index": (lambda s: flip(s / "features/c/2/0", -2), "features/c/2/0: does not match"),
    "missing shard": (lambda s: (s / "features/c/1/0").unlink(), "features/c/1/0: is missing"),
    "truncated": (lambda s: truncate(s / "features/c/0/0"), "features/c/0/0: has .* bytes"),
    "swapped shards": (swap, "features/c/0/0: does not match.*features/c/1/0"),
    "edited attributes": (edit_attributes, r"zarr\.json: does not match"),
    "edited manifest": (edit_manifest, r"manifest\.json: was changed"),
    "no manifest": (lambda s: (s / "manifest.json").unlink(), r"manifest\.json: is missing"),
    "no json": (lambda s: (s / "manifest.json").write_text("{"), r"manifest\.json: cannot be read"),
    "deep json": (
        lambda s: (s / "manifest.json").write_text("[" * 100_000),
        r"manifest\.json: cannot be read",
    ),
    "extra shard": (
        lambda s: shutil.copytree(s / "features/c/1", s / "features/c/3"),
        "features/c/3/0: does not belong",
    ),
    "no store": (shutil.rmtree, "there is no store"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_and_never_read(store, name):
    """Swapped full shards pass every crc32c; a missing one would be zeros."""
    damage, message = DAMAGES[name]
    damage(store)

    with pytest.raises(StoreError, match=message) as caught:
        read_features(store)
    assert str(store) in str(caught.value)
    assert "dvc repro -f extract@mini-letters" in str(caught.value)
    with pytest.raises(StoreError):
        list(iter_shards(store)), read_arrays(store)


def test_attributes_are_read_without_rows(store):
    assert read_attributes(store)["key"] == "k"


def test_labels_are_read_without_features(store):
    """A damaged shard of features is none of their business; damage of their own is."""
    expected = read_features(store).labels
    flip(store / "features/c/1/0")
    found = read_labels(store)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int32

    flip(store / "labels/c/0")
    with pytest.raises(StoreError, match="labels/c/0: does not match its checksum"):
        read_labels(store)


def test_labels_beyond_a_float32_keep_their_last_digit(tmp_path):
    """Ids of identities may be such; 2^24 + 1 is no float32."""
    labels = np.array([2**24 + 1, -1], np.int32)
    write_store(tmp_path / "x.zarr", rows_of(2, 3), labels, {})
    np.testing.assert_array_equal(read_labels(tmp_path / "x.zarr"), labels)


def test_float16_overflow_names_the_rows():
    block = np.full((4, 2), 60000, dtype=np.float32)
    block[2, 1] = -70000

    with pytest.raises(ValueError, match=r"70000 do not fit float16 .* row 12; .*float32"):
        to_dtype(block, "float16", start=10)
    assert to_dtype(block, "float32").dtype == np.float32


@pytest.mark.parametrize("scale", [1e-7, 1e-9, 1e-30])
def test_values_too_small_for_float16_are_refused(scale):
    """At 1e-7 they come out as multiples of 6e-8, at 1e-9 as zero."""
    block = rows_of(5)
    block[[1, 3]] *= scale

    with pytest.raises(ValueError, match=r"rows 11, 13 would change by up to .*dtype: float32"):
        to_dtype(block, "float16", start=10)
    np.testing.assert_array_equal(to_dtype(block, "float32"), block)


def test_small_values_beside_normal_ones_are_kept():
    """As pooled activations have them: what they lose is nothing in the length of the row."""
    block = rows_of(4, d=64)
    block[:, 1:] *= 1e-7
    block[3] = 0
    np.testing.assert_allclose(to_dtype(block, "float16"), block, rtol=5e-4, atol=6e-8)
    halves = (rows_of(4) * 1e-7).astype(np.float16)
    np.testing.assert_array_equal(to_dtype(halves.astype(np.float32), "float16"), halves)


def test_rows_that_are_not_finite_are_named(tmp_path):
    features = rows_of(3000)
    features[[5, 2047], 0] = np.nan, np.inf

    with pytest.raises(ValueError, match=r"must be finite; NaN or infinity in row 5"):
        write_store(tmp_path / "x.zarr", features, np.zeros(3000, np.int32), {})
    assert list(tmp_path.iterdir()) == []  # nothing half-written


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (rows_of(3), 4, "3 rows of features and 4 were declared"),
        (rows_of(0), 0, "at least one row"),
        (np.ones((3, 2), dtype=np.int64), 3, "floating point"),
        (np.ones(3, dtype=np.float32), 3, "matrix"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, features, labels, message):
    with pytest.raises(ValueError, match=message):
        write_store(tmp_path / "x.zarr", features, np.zeros(labels, np.int32), {})
    assert list(tmp_path.iterdir()) == []


def test_an_old_store_is_replaced(store):
    write_store(store, rows_of(5), np.zeros(5, np.int32), {})

    assert len(read_features(store).features) == 5
    assert [path.name for path in store.parent.iterdir()] == ["letters.zarr"]


def test_a_refusal_before_publishing_leaves_what_stood_there(store):
    """The last word of a run that lost its claim while it wrote."""
    before = read_features(store).features

    def refuse():
        assert len(list(store.parent.glob(".letters.zarr.*.partial/manifest.json"))) == 1
        raise RuntimeError("a later run has taken over")

    with pytest.raises(RuntimeError, match="taken over"):
        write_store(store, rows_of(3), np.arange(3), {}, before_publishing=refuse)
    np.testing.assert_array_equal(read_features(store).features, before)
    assert [path.name for path in store.parent.iterdir()] == ["letters.zarr"]


def test_a_store_whose_files_vanish_while_it_is_written_is_not_published(tmp_path):
    """An orphan, or a person, clears the folder: no manifest is made of what is left."""

    def blocks():
        yield rows_of(256)
        [partial] = tmp_path.glob(".s.zarr.*.partial")
        (partial / "features/zarr.json").unlink()
        yield rows_of(44)

    with pytest.raises(StoreError, match="features/zarr.json vanished"):
        write_store(tmp_path / "s.zarr", blocks(), np.zeros(300, np.int32), {}, shard_rows=256)
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_run_left_half_written_is_removed(tmp_path):
    left = tmp_path / ".s.zarr.77-abc.partial" / "features"
    left.mkdir(parents=True)

    write_store(tmp_path / "s.zarr", rows_of(3), np.zeros(3, np.int32), {})

    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_a_link_to_nowhere_is_damage_like_any_other(store):
    """What DVC's symlinks become after `dvc gc`."""
    shard = store / "features/c/1/0"
    shard.unlink()
    shard.symlink_to(store.parent / "gone")

    with pytest.raises(StoreError, match=r"features/c/1/0: cannot be read \(No such file"):
        read_features(store)
