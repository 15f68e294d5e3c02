import numpy as np
import pytest

from pipeline.detectors.row_blocks import sum_blocks
from pipeline.detectors.rows import held
from pipeline.storage import store, stored_rows
from pipeline.storage.store import StoreError
from pipeline.storage.stored_rows import StoredRows
from pipeline.storage.write_store import write_arrays, write_store

ROWS = np.random.default_rng(0).standard_normal((90, 4)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    """Ninety rows in shards of 16; the last has 10."""
    write_store(
        tmp_path / "bank.zarr", ROWS, np.zeros(90, np.int32), {}, dtype="float32", shard_rows=16
    )
    return tmp_path / "bank.zarr"


@pytest.mark.parametrize(
    "part",
    [slice(0, 5), slice(10, 40), slice(80, 999), slice(None), slice(7, 7), slice(-3, None)],
)
def test_slices_are_those_of_the_array_in_any_order(path, part):
    rows = StoredRows(path)
    assert (len(rows), rows.shape, rows.dtype) == (90, (90, 4), np.float32)
    for each in (part, slice(33, 35), part):
        np.testing.assert_array_equal(rows[each], ROWS[each])


def test_rows_are_read_one_after_the_other(path):
    with pytest.raises(ValueError, match="one after the other, got the step 2"):
        StoredRows(path)[::2]


def test_a_pass_reads_every_shard_once_and_holds_one(path, monkeypatch):
    read = []

    def counting(path, **options):
        for start, rows in store.iter_shards(path, **options):
            read.append(start)
            yield start, rows

    monkeypatch.setattr(stored_rows, "iter_shards", counting)
    rows = StoredRows(path)
    for _ in range(2):
        for start in range(0, 90, 7):
            np.testing.assert_array_equal(rows[start : start + 7], ROWS[start : start + 7])
    assert read == 2 * [0, 16, 32, 48, 64, 80]
    assert len(rows._shard) <= 16


def test_a_store_is_summed_and_held_as_an_array_is(path):
    def gram(_, block):
        return (block.T @ block,)

    np.testing.assert_array_equal(sum_blocks(StoredRows(path), gram), sum_blocks(ROWS, gram))
    np.testing.assert_array_equal(held(StoredRows(path)), ROWS)


def test_a_store_without_features_and_a_damaged_shard_are_refused(path, tmp_path):
    write_arrays(tmp_path / "text.zarr", {"a": ROWS}, {"backbone": "tiny"})
    with pytest.raises(StoreError, match="is no feature store: it does not say its rows and width"):
        StoredRows(tmp_path / "text.zarr")
    shard = path / "features" / "c" / "3" / "0"
    content = bytearray(shard.read_bytes())
    content[7] ^= 1
    shard.write_bytes(content)
    rows = StoredRows(path)
    np.testing.assert_array_equal(rows[:48], ROWS[:48])
    with pytest.raises(StoreError, match="features/c/3/0"):
        rows[48:50]
