"""Abandoned work is removed by age; work that a run holds, or that is young, stays."""

import json
import os
import time

import numpy as np
import pytest
from filelock import FileLock

from pipeline.extraction.cache import SideCache
from pipeline.extraction.leftovers import clear_published, leftovers, prune
from stages import verify


def unfinished(root, key, *, days):
    """Leave the rows of a key as a run killed some days ago would."""
    cache = SideCache.open(root, key, dtype="float16")
    cache.commit(0, np.ones((4, 8), np.float16))
    then = time.time() - days * 86400
    for path in (*cache.folder.iterdir(), cache.folder):
        os.utime(path, (then, then))


@pytest.fixture
def root(tmp_path):
    for key, days in (("young", 1), ("old", 40), ("older", 90), ("held", 60)):
        unfinished(tmp_path, key, days=days)
    return tmp_path


def names(root):
    return sorted(path.name for path in (root / "unfinished").iterdir())


def test_what_is_old_and_not_held_is_removed(root):
    (root / "locks").mkdir()
    with FileLock(root / "locks/held.lock"):
        removed = prune(root, days=30.0)

    assert [leftover.folder.name for leftover in removed] == ["older", "old"]
    assert [leftover.bytes for leftover in removed] == [64, 64]
    assert names(root) == ["held", "young"]
    assert [leftover.folder.name for leftover in prune(root, days=30.0)] == ["held"]


def test_one_new_file_makes_a_key_young(root):
    (root / "unfinished/older/new.rows").write_bytes(b"")

    assert leftovers(root)[0].folder.name == "held"
    prune(root, days=30.0)
    assert names(root) == ["older", "young"]


def test_an_age_that_means_nothing_is_refused(root):
    for days in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="0 days or more"):
            prune(root, days=days)
    assert prune(root / "none", days=0.0) == []


def test_the_command_says_what_it_removed(root, monkeypatch, capsys):
    monkeypatch.setenv("OOD_CACHE_DIR", str(root))
    monkeypatch.setattr("sys.argv", ["verify", "--prune"])
    verify.main()

    printed = capsys.readouterr().out
    assert "removed  older: 0.0 MiB, untouched for 90.0 days" in printed
    assert f"3 unfinished extractions removed from {root}" in printed
    assert names(root) == ["young"]
    monkeypatch.setattr("sys.argv", ["verify", "--prune", "0"])
    verify.main()
    assert names(root) == []
    monkeypatch.setattr("sys.argv", ["verify", "--prune", "-1"])
    with pytest.raises(SystemExit, match="0 days or more"):
        verify.main()


def test_rows_go_once_their_store_stands_where_it_was_put(root, tmp_path):
    """Not before: DVC may still delete the store; nor where another store took its place."""
    stores = {"young": "young", "old": None, "older": "another", "held": "held"}
    for key, found in stores.items():
        store = tmp_path / "features" / f"{key}.zarr"
        SideCache.open(root, key, dtype="float16").mark_published(store)
        if found:
            store.mkdir(parents=True)
            (store / "zarr.json").write_text(json.dumps({"attributes": {"key": found}}))
    unfinished(root, "half", days=0)
    (root / "locks").mkdir()

    with FileLock(root / "locks/held.lock"):
        clear_published(root)

    assert names(root) == ["half", "held", "old", "older"]
