"""One holder at a time; who waits is told for whom, and a full disk is no hindrance."""

import errno
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline.extraction.locks import CacheError, one_writer
from pipeline.file_lock import StillHeldError, only_one


def test_who_waits_in_vain_is_told_for_whom(tmp_path, capsys):
    lock = tmp_path / "a.zip.lock"
    (tmp_path / "a.zip.holder").write_text("process 7 on there")
    with (
        FileLock(lock),
        pytest.raises(StillHeldError, match=r"^a is being unpacked by process 7 on there, still a"),
        only_one(lock, doing="a is being unpacked", timeout=0.01),
    ):
        pytest.fail("two hold one lock")
    assert capsys.readouterr().err == (
        "a is being unpacked by process 7 on there; waiting for it\n"
    )


@pytest.mark.parametrize("keep", [True, False])
def test_nothing_but_the_lock_remains_and_that_where_it_may(tmp_path, keep):
    lock = tmp_path / "a.zip.lock"
    for _ in range(2):
        with only_one(lock, doing="a is being unpacked", keep=keep):
            assert "process " in (tmp_path / "a.zip.holder").read_text()
    assert list(tmp_path.iterdir()) == [lock] * keep


def test_a_note_that_a_full_disk_refuses_stops_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with one_writer(tmp_path / "k.lock", what="letters", timeout=0.0):
        pass


def test_what_is_done_and_what_sets_the_wait_are_named(tmp_path, capsys):
    lock = tmp_path / "k.lock"
    with (
        FileLock(lock),
        pytest.raises(
            CacheError,
            match=r"^this set is being crafted by another process, still after 0 s \(an hour\): wa",
        ),
        one_writer(lock, what="this set", timeout=0.01, doing="crafted", limit="an hour"),
    ):
        pytest.fail("two hold one lock")
