"""Paths as archives and lists write them: dots, doubled slashes, links to links."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from archives import write_tar

from pipeline.sources import Source, SourceError, open_source, read_spec

# As `tar cf x.tar images/.`, `tar cf x.tar ./images` and joined paths write them.
SPELT = {
    f"{start}{name}.jpg": name.encode()
    for name, start in zip(
        "1234", ("images/a/", "./images/a/", "images/./a/", "images//a/"), strict=True
    )
}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def opened(path: Path, **options: object) -> Source:
    return open_source(read_spec("mine", {"path": str(path), **options}))


@pytest.mark.parametrize(("write", "file"), [(write_tar, "x.tar"), (write_zip, "x.zip")])
def test_members_written_with_dots_or_doubled_slashes_are_images_like_others(write, file, tmp_path):
    """A folder '.' used to be taken for a hidden one, and all in it left out."""
    source = opened(write(tmp_path / file, SPELT), subfolder="images")

    assert [tuple(e) for e in source.entries()] == [(f"a/{n}.jpg", "a") for n in range(1, 5)]
    assert [source.read(e.path) for e in source.entries()] == list(SPELT.values())


@pytest.mark.parametrize(("write", "file"), [(write_tar, "x.tar"), (write_zip, "x.zip")])
def test_one_file_written_in_two_ways_stands_there_twice(write, file, tmp_path):
    path = write(tmp_path / file, {"a/1.jpg": b"", "./a//1.jpg": b""})

    with pytest.raises(SourceError, match=r"holds 'a/1\.jpg' more than once"):
        opened(path).entries()


@pytest.mark.parametrize("name", ["a/./../../1.jpg", "a//../1.jpg", "//a/1.jpg"])
@pytest.mark.parametrize(("write", "file"), [(write_tar, "x.tar"), (write_zip, "x.zip")])
def test_what_climbs_out_is_refused_before_its_path_is_made_plain(write, file, name, tmp_path):
    with pytest.raises(SourceError, match="climbs out"):
        opened(write(tmp_path / file, {name: b""})).entries()


def test_a_list_may_write_paths_with_dots_or_doubled_slashes(tmp_path):
    for number in (0, 1):
        (tmp_path / "x/a").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"x/a/{number}.jpg").write_bytes(b"")
    (tmp_path / "list.txt").write_text("./top/a/0.jpg 0\ntop/.//a/1.jpg 1\n", encoding="utf-8")
    more = {"source": "list", "root": str(tmp_path / "x"), "strip": 1}

    assert [tuple(e) for e in opened(tmp_path / "list.txt", **more).entries()] == [
        ("a/0.jpg", "0"),
        ("a/1.jpg", "1"),
    ]
    (tmp_path / "list.txt").write_text("top/a/0.jpg 0\ntop/./a/0.jpg 1\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"lists 'a/0\.jpg' twice with the labels 0 and 1"):
        opened(tmp_path / "list.txt", **more).entries()


def with_links(path: Path, links: dict[str, str]) -> Path:
    """Append symbolic links, target by name."""
    with tarfile.open(path, "a") as archive:
        for name, target in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return path


def test_a_link_to_a_link_inside_a_tar_is_followed(tmp_path):
    path = write_tar(tmp_path / "x.tar", {"a/1.jpg": b"one"})
    source = opened(with_links(path, {"b/3.jpg": "2.jpg", "b/2.jpg": "../a/1.jpg"}))

    assert [entry.path for entry in source.entries()] == ["a/1.jpg", "b/2.jpg", "b/3.jpg"]
    assert source.read("b/3.jpg") == b"one"


def test_links_in_a_circle_are_no_file(tmp_path):
    path = write_tar(tmp_path / "x.tar", {"a/1.jpg": b"one"})

    with pytest.raises(SourceError, match="the link 'b/x' to '.*', which is no file in it"):
        opened(with_links(path, {"b/x": "y", "b/y": "x"})).entries()
