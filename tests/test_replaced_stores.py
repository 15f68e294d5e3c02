"""A store that another process replaces while it is read: rows of one of them, or an error."""

import multiprocessing
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.storage.manifest import Manifest
from pipeline.storage.store import (
    StoreError,
    iter_shards,
    read_arrays,
    read_attributes,
    read_features,
    read_labels,
)
from pipeline.storage.stored_rows import StoredRows
from pipeline.storage.verify import verify_store
from pipeline.storage.write_store import write_store

REPLACED = "was replaced while it was read; run again$"
SERVER = multiprocessing.get_context("forkserver")


def write(path: Path, value: int, *, rows: int = 3000) -> None:
    """Write rows and labels of one value, and an attribute of it, in shards of 1,024."""
    features = np.full((rows, 8), value, dtype=np.float32)
    write_store(path, features, np.full(rows, value), {"value": value}, shard_rows=1024)


@pytest.fixture
def path(tmp_path):
    """A store of ones."""
    write(tmp_path / "features/b/d.zarr", 1)
    return tmp_path / "features/b/d.zarr"


def write_on(path: Path, stop: Path) -> None:
    value = 1
    while not stop.exists():
        value = value % 9 + 1
        write(path, value)
        time.sleep(0.005)  # so that readers finish on a busy machine too


def iterated(path: Path) -> set[float]:
    return {float(value) for _, rows in iter_shards(path, block=100) for value in np.unique(rows)}


def both(path: Path) -> set[float]:
    read = read_features(path)
    return {*np.unique(read.features), *np.unique(read.labels), read.attributes["value"]}


READERS = {
    "shards": iterated,
    "features": both,
    "labels": lambda path: set(np.unique(read_labels(path))),
    "rows": lambda path: set(np.unique(StoredRows(path)[:])),
    "attributes": lambda path: {read_attributes(path)["value"]},
}


def test_rows_of_two_stores_are_never_read_as_one(path, tmp_path):
    """It gave rows of both, and called a store that was being replaced damaged."""
    stop = tmp_path / "stop"
    process = SERVER.Process(target=write_on, args=(path, stop))
    process.start()
    found: Counter[str] = Counter()
    first = Manifest.load(path).digest()
    while Manifest.load(path).digest() == first and process.is_alive():
        time.sleep(0.01)
    until = time.monotonic() + 4
    try:
        while time.monotonic() < until:
            for read in READERS.values():
                try:
                    found[f"{len(read(path))} stores"] += 1
                except StoreError as error:
                    found[str(error).replace(str(path), "it")] += 1
            found["; ".join(map(str, verify_store(path).problems)) or "good"] += 1
    finally:
        stop.touch()
        process.join()

    replaced = "the store it was replaced while it was read; run again"
    verdict = "the store: was replaced while it was read; run again"
    assert set(found) <= {"1 stores", "good", replaced, verdict}, found
    assert found["1 stores"]
    assert found["good"]


def test_a_pass_that_began_in_another_store_ends(path):
    shards = iter_shards(path)
    next(shards)
    write(path, 2)

    with pytest.raises(StoreError, match=REPLACED):
        next(shards)


def replaced_after_the_check(monkeypatch, replace):
    """Let the store be replaced between the checksum of rows and reading them."""
    checked = Manifest.check_content

    def check(self, store, names):
        names = list(names)
        problems = checked(self, store, names)
        if not all(name.endswith("zarr.json") for name in names):
            replace()
        return problems

    monkeypatch.setattr(Manifest, "check_content", check)


@pytest.mark.parametrize("read", [iterated, read_arrays, read_labels])
@pytest.mark.parametrize("rows", [3000, 10], ids=["as large", "smaller"])
def test_rows_that_came_after_the_check_are_refused(path, monkeypatch, read, rows):
    replaced_after_the_check(monkeypatch, lambda: write(path, 2, rows=rows))

    with pytest.raises(StoreError, match=REPLACED):
        read(path)


@pytest.mark.parametrize("read", [iterated, read_arrays, read_labels])
def test_a_store_that_is_removed_while_it_is_read_gives_no_zeros(path, monkeypatch, read):
    """Zarr gives fill values for a shard that is gone."""

    def remove():
        for array in ("features", "labels"):
            shutil.rmtree(path / array / "c", ignore_errors=True)

    replaced_after_the_check(monkeypatch, remove)
    with pytest.raises(StoreError, match="is damaged: .*is missing"):
        read(path)


def test_the_same_store_written_again_is_the_same(path, monkeypatch):
    replaced_after_the_check(monkeypatch, lambda: write(path, 1))

    assert iterated(path) == {1}


def test_a_second_pass_reads_the_store_of_the_first(path):
    rows = StoredRows(path)
    np.testing.assert_array_equal(rows[:], 1)
    write(path, 2)

    with pytest.raises(StoreError, match=REPLACED):
        rows[:10]


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_store_between_the_two_renames_is_waited_for(path, read):
    path.rename(path.with_name("old"))
    back = threading.Timer(0.02, path.with_name("old").rename, [path])
    back.start()

    assert read(path) == {1}
    back.join()


def test_a_store_that_was_replaced_while_it_was_checked_is_checked_again(path, monkeypatch):
    checked = Manifest.check_listing
    monkeypatch.setattr(
        Manifest,
        "check_listing",
        lambda self, store: (write(path, 2, rows=9), checked(self, store))[1],
    )

    assert "good" in verify_store(path).line()
