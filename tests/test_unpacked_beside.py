"""A folder beside the data root that nobody may look into hinders its own data set only."""

from pathlib import Path

import pytest

from pipeline.fetching.dry_run import plan_lines
from pipeline.fetching.entry import Download
from pipeline.fetching.errors import DownloadError
from pipeline.fetching.partial_files import partial_of
from pipeline.fetching.wanted_files import Wanted, wanted_files
from stages import fetch as stage

KNOWN = {
    "SUN.tar.gz": Download(file="SUN.tar.gz", url="http://127.0.0.1:9/SUN.tar.gz", bytes=10),
    "Places.tar.gz": Download(file="Places.tar.gz", url="http://127.0.0.1:9/Places.tar.gz"),
}
SETS = {
    name.lower(): {"source": "tar", "path": f"{name}.tar.gz", "subfolder": f"{name}/images"}
    for name in ("SUN", "Places")
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SUN lies unpacked and closed; played, since the tests may run as root."""
    (tmp_path / "SUN").mkdir()
    (tmp_path / "Places/images/a").mkdir(parents=True)
    is_dir = Path.is_dir

    def denied(self: Path) -> bool:
        if self.parent.name == "SUN":
            raise PermissionError(13, "Permission denied", str(self))
        return is_dir(self)

    monkeypatch.setattr(Path, "is_dir", denied)
    return tmp_path


def wanted(*chosen: str) -> dict[str, Wanted]:
    return {item.datasets[0]: item for item in wanted_files(SETS, KNOWN, [*chosen])}


def test_a_closed_folder_is_named_in_its_own_row_and_the_others_are_told(root):
    """The whole plan used to end by the name of an archive that is not there."""
    lines = plan_lines([*wanted().values()], root)

    assert lines[1].startswith("denied   SUN.tar.gz")
    assert f"{root}/SUN must be readable (Permission denied); ask its owner" in lines[2]
    assert any(line.startswith("unpacked Places.tar.gz") for line in lines)
    assert "to download: 0 MB" in lines[-1]


def test_fetch_goes_on_behind_a_closed_folder_and_does_not_download_beside_it(root, capsys):
    [problem] = stage.run([*wanted().values()], root)

    assert problem.startswith(f"sun: {root}/SUN must be readable (Permission denied)")
    assert "Places.tar.gz: not downloaded, it lies unpacked" in capsys.readouterr().out


def test_who_names_the_set_or_began_the_download_does_not_mean_the_closed_folder(root):
    assert wanted("sun")["sun"].state(root) == "missing"
    partial_of(root / "SUN.tar.gz").write_bytes(b"x")
    assert wanted()["sun"].state(root) == "partial"


def test_a_closed_folder_is_a_known_problem_to_whoever_asks(root):
    partial_of(root / "Places.tar.gz").touch()
    assert wanted()["places"].unpacked(root) is None
    with pytest.raises(DownloadError, match="SUN must be readable"):
        wanted()["sun"].unpacked(root)
