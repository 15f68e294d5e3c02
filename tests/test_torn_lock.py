"""A lock file that DVC left half-written: noticed wherever it breaks off, and given back."""

import os
import sys
from pathlib import Path

import pytest
from own_home import run

from pipeline.torn_lock import mend_lock, readable

LOCK = """schema: '2.0'
stages:
  first:
    cmd: cp a b
    deps:
    - path: a
      hash: md5
      md5: 0cc175b9c0f1b6a831c399e269772661
      size: 1
    params:
      params.yaml:
        seed: 0
    outs:
    - path: b
      hash: md5
      md5: 0cc175b9c0f1b6a831c399e269772661
      size: 1
"""
PIPELINE = """stages:
  first: {cmd: cp a b && echo x >> ran, deps: [a], outs: [b]}
  second: {cmd: cp b c && echo x >> ran, deps: [b], outs: [c]}
"""


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = run(folder, "git", *identity, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def committed(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "dvc.lock").write_text(LOCK)
    git(tmp_path, "add", "dvc.lock")
    git(tmp_path, "commit", "-qm", "a run")
    return tmp_path / "dvc.lock"


def test_a_whole_file_and_one_that_is_missing_stay(committed):
    longer = LOCK.replace("first", "another")
    committed.write_text(longer)
    assert not mend_lock(committed)
    assert committed.read_text() == longer

    committed.unlink()
    assert not mend_lock(committed)


@pytest.mark.parametrize("length", [0, 5, 28, 60, 95, 160, 200])
def test_half_a_file_is_replaced_by_the_committed_one(committed, length):
    committed.write_text(LOCK[:length])

    assert mend_lock(committed)
    assert committed.read_text() == LOCK


def test_wherever_it_breaks_off_dvc_can_read_it_afterwards(committed):
    for length in range(len(LOCK)):
        committed.write_text(LOCK[:length])
        mend_lock(committed)
        assert readable(committed.read_text()), length


def test_the_conflict_of_a_merge_is_the_users(committed):
    conflict = LOCK.replace("  first:\n", "<<<<<<< HEAD\n  first:\n=======\n>>>>>>> other\n")
    committed.write_text(conflict)

    with pytest.raises(ValueError, match=r"conflict of a merge.*take one side"):
        mend_lock(committed)
    assert committed.read_text() == conflict


def test_without_a_committed_one_the_cure_is_to_remove_it(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "dvc.lock").write_text("")

    with pytest.raises(ValueError, match=r"git has no whole one; remove it"):
        mend_lock(tmp_path / "dvc.lock")


@pytest.mark.slow
def test_stages_that_finished_after_the_commit_do_not_run_again(tmp_path):
    """The second run changed the first input; then the lock file was torn."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    assert run(tmp_path, "dvc", "init", "-q").returncode == 0
    assert run(tmp_path, "dvc", "repro").returncode == 0
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "a run")
    (tmp_path / "a").write_text("2")
    assert run(tmp_path, "dvc", "repro").returncode == 0
    whole = (tmp_path / "dvc.lock").read_bytes()
    os.truncate(tmp_path / "dvc.lock", 100)
    assert run(tmp_path, "dvc", "repro").returncode == 255

    mended = run(tmp_path, sys.executable, "-m", "stages.mend_lock")
    again = run(tmp_path, "dvc", "repro")

    assert "the last committed one is back" in mended.stderr
    assert again.returncode == 0
    assert (tmp_path / "ran").read_text() == "x\n" * 4
    assert (tmp_path / "dvc.lock").read_bytes() == whole
