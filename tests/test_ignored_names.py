"""What publishers lay beside images is left out and counted; classes and images never are."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.sources import open_source, read_spec
from pipeline.sources.ignored import IgnoredNames, left_out

HELD = ["README_first/a.png", "cat/readme_x.png", "license_plate/1.jpg", "license_plate/2.JPEG"]
DROPPED = ["LICENSE", "cat/License.txt", "cat/readme.md", "cat/.hidden.png", "__MACOSX/cat/x.png"]


def folder(path: Path) -> Path:
    for name in (*HELD, *DROPPED):
        (path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "tree" / name).write_bytes(b"x")
    return path / "tree"


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path / "tree.zip", "w") as archive:
        for name in (*HELD, *DROPPED):
            archive.writestr(name, b"x")
    return path / "tree.zip"


def tarred(path: Path, names: tuple[str, ...] = (*HELD, *DROPPED)) -> Path:
    with tarfile.open(path / "tree.tar", "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"7"))
    return path / "tree.tar"


@pytest.mark.parametrize("make", [folder, zipped, tarred])
def test_a_class_or_an_image_may_begin_with_license_or_readme(make, tmp_path):
    source = open_source(read_spec("mine", str(make(tmp_path))))

    assert [entry.path for entry in source.entries()] == HELD
    assert left_out(source) == "1 '.*', 1 '__macosx', 2 'license*', 1 'readme*'"
    source.entries()
    assert left_out(source).startswith("1 '.*'")  # of the last listing, not of all


def test_a_label_of_a_shard_stays_with_its_image(tmp_path):
    path = tarred(tmp_path, ("license_1.jpg", "license_1.cls", "README.txt"))

    assert [tuple(e) for e in open_source(read_spec("mine", str(path))).entries()] == [
        ("license_1.jpg", "7")
    ]


def test_own_patterns_hold_for_folders_and_files_whatever_their_case():
    ignored = IgnoredNames(["Masks*", "*.CSV"])

    assert ignored.folder("masks_2")
    assert ignored.file("MASKS.png")
    assert ignored.member("a/b/list.csv")
    assert not ignored.folder("license_plate")
    assert dict(ignored.counts) == {"masks*": 2, "*.csv": 1}


def test_a_source_that_leaves_nothing_out_has_nothing_to_say():
    assert left_out(object()) == ""
