"""Zip archives that other tools wrote: backslashes between folders, passwords."""

import zipfile
from pathlib import Path

import pytest

from pipeline.sources import SourceError, open_source, read_spec


def write(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name.encode())
    return path


def opened(path: Path, **options: object):
    return open_source(read_spec("mine", {"path": str(path), **options}))


@pytest.mark.parametrize(("top", "options"), [("", {}), ("top\\", {"subfolder": "top"})])
def test_backslashes_between_folders_are_read_as_slashes(top, options, tmp_path):
    """As .NET before 4.6.1 wrote them; each image used to be without a class."""
    path = write(tmp_path / "x.zip", f"{top}a\\x.jpg", f"{top}a\\", f"{top}b\\c\\y.jpg")

    source = opened(path, **options)

    assert [tuple(entry) for entry in source.entries()] == [("a/x.jpg", "a"), ("b/c/y.jpg", "b")]
    assert source.read("b/c/y.jpg") == f"{top}b\\c\\y.jpg".encode()


def test_a_backslash_beside_slashes_is_part_of_a_name(tmp_path):
    path = write(tmp_path / "x.zip", "a/1\\2.jpg", "b/y.jpg")

    source = opened(path)

    assert [entry.path for entry in source.entries()] == ["a/1\\2.jpg", "b/y.jpg"]
    assert source.read("a/1\\2.jpg") == b"a/1\\2.jpg"


def test_backslashes_do_not_climb_out(tmp_path):
    with pytest.raises(SourceError, match="climbs out"):
        opened(write(tmp_path / "x.zip", "..\\x.jpg")).entries()


def test_an_encrypted_archive_is_told_once_with_the_cure(tmp_path):
    """Bit 0 of the flags in the directory says so; other files may be encrypted."""
    path = write(tmp_path / "x.zip", "a/x.jpg", "b/y.jpg", "readme.txt")
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)  # of the second file
    data[place + 8] |= 1
    path.write_bytes(data)

    with pytest.raises(
        SourceError, match=r"encrypted: 1 of 2 files, the first is 'b/y\.jpg'\. Unpack it with"
    ):
        opened(path).entries()
