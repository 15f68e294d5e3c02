"""A folder is there whole or not at all, and what was there stays until then."""

import stat
from pathlib import Path

import pytest

from pipeline.folders import folder_written_whole


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_folder_takes_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "above/out"
    for content in ("first", "second"):
        with folder_written_whole(target) as partial:
            assert partial.parent == target.parent  # a rename, on whatever disk
            (partial / content).write_text(content)
            assert not (target / content).exists()

        assert names(tmp_path) == ["above", "above/out", f"above/out/{content}"]
    (tmp_path / "other").mkdir()
    permissions = [stat.S_IMODE(path.stat().st_mode) for path in (target, tmp_path / "other")]
    assert permissions[0] == permissions[1]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_a_folder_that_was_not_finished_leaves_the_earlier_one(tmp_path, error):
    with folder_written_whole(tmp_path / "out") as partial:
        (partial / "kept").touch()

    def stopped_half_way():
        with folder_written_whole(tmp_path / "out") as partial:
            (partial / "half").touch()
            raise error

    with pytest.raises(type(error)):
        stopped_half_way()

    assert names(tmp_path) == ["out", "out/kept"]


def test_what_a_killed_run_left_is_removed_and_other_folders_are_not(tmp_path):
    for name in (".out.77-abc.partial", ".out2.77-abc.partial", "out.partial"):
        (tmp_path / name / "below").mkdir(parents=True)

    with folder_written_whole(tmp_path / "out"):
        pass

    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        ".out2.77-abc.partial", "out", "out.partial",
    ]  # fmt: skip
