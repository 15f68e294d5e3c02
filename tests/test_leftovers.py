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
    for path in (*cache.folder.iterdir(), cache.folder):
        age(path, days=days)


def age(path, *, days):
    then = time.time() - days * 86400
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


def test_crafted_images_and_epochs_of_a_training_go_too(root):
    """Each by its own lock; one of them goes on."""
    for name, file in (
        ("craft/a", "00000.npz"),
        ("craft/b", "00000.npz"),
        ("finetuning/c", "e.pt"),
    ):
        (root / name).mkdir(parents=True)
        (root / name / file).write_bytes(b"12345678")
        (root / f"{name}.lock").touch()
        (root / f"{name}.holder").touch()
    with FileLock(root / "craft/b.lock"):
        removed = prune(root, days=0.0)

    lines = {leftover.line() for leftover in removed if leftover.folder.parent.name != "unfinished"}
    assert lines == {
        f"{name}: 0.0 MiB, untouched for 0.0 days" for name in ("craft/a", "finetuning/c")
    }
    assert names(root) == []
    assert sorted(path.name for path in (root / "craft").iterdir()) == ["b", "b.holder", "b.lock"]
    assert list((root / "finetuning").iterdir()) == []


def test_old_locks_of_finished_work_go(root):
    (root / "locks").mkdir()
    for name, days in (("finished", 40), ("used", 40), ("young", 40), ("fresh", 1)):
        (root / "locks" / f"{name}.lock").touch()
        age(root / "locks" / f"{name}.lock", days=days)
    with FileLock(root / "locks/used.lock"):
        age(root / "locks/used.lock", days=40)
        prune(root, days=30.0)

    left = sorted(path.name for path in (root / "locks").iterdir())
    assert left == ["fresh.lock", "used.lock", "young.lock"]  # young has rows, as young as it is


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
    assert "removed  unfinished/older: 0.0 MiB, untouched for 90.0 days" in printed
    assert f"3 unfinished runs removed from {root}" in printed
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
