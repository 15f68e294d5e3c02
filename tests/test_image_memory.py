"""An index is made anew from what changed alone, and comes out as one that is made from nothing."""

import dataclasses
import io
import os
import zipfile
from pathlib import Path

import polars as pl
import pytest
from archives import write_tar
from PIL import Image

from pipeline.datasets.images import ImageParams
from pipeline.indexing import image_memory, inspection
from pipeline.indexing.index_dataset import index_dataset
from pipeline.indexing.indexing import IndexParams, UnreadableImagesError
from pipeline.sources import read_spec


def picture(shade: int) -> bytes:
    """A file whose size does not depend on what it shows."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (shade % 256, shade // 256, 0)).save(buffer, "BMP")
    return buffer.getvalue()


def fill(folder: Path, shades: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for shade in shades:
        (folder / f"{shade:04d}.bmp").write_bytes(picture(shade))


@pytest.fixture
def read(monkeypatch):
    """Paths of the images that are read; files just written count as settled."""
    monkeypatch.setattr(image_memory, "SETTLED_NS", 0)
    paths: list[str] = []
    plain = inspection.inspect_file

    def noted(source, path, **options):
        paths.append(path)
        return plain(source, path, **options)

    monkeypatch.setattr(inspection, "inspect_file", noted)
    return paths


@pytest.fixture
def world(tmp_path: Path, read: list[str]):
    """What indexes a data set with a memory: returns the paths that were read for it."""

    def index(values: object, **params: object) -> list[str]:
        images = params.pop("images", ImageParams())
        options = {"params": dataclasses.replace(IndexParams(), **params), "images": images}
        spec = read_spec("mine", values)
        read.clear()
        try:
            index_dataset(
                "mine", spec, tmp_path / "i.parquet", memories=tmp_path / "memory", **options
            )
            looked = sorted(read)
        except UnreadableImagesError:
            return sorted(read)
        index_dataset("mine", spec, tmp_path / "from_nothing.parquet", **options)
        made, anew = (tmp_path / f"{name}.parquet" for name in ("i", "from_nothing"))
        assert made.read_bytes() == anew.read_bytes()
        return looked

    return index


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    fill(tmp_path / "photos/cat", range(30))
    fill(tmp_path / "photos/dog", range(100, 130))
    return tmp_path / "photos"


def test_ten_more_images_are_ten_files_read(photos, world):
    assert len(world(str(photos))) == 60
    assert world(str(photos)) == []

    fill(photos / "dog", range(200, 210))

    assert world(str(photos)) == [f"dog/{number:04d}.bmp" for number in range(200, 210)]
    assert world(str(photos)) == []


def test_images_that_are_gone_renamed_or_put_back_are_noticed(photos, world):
    world(str(photos))
    moved = (photos / "cat/0003.bmp").rename(photos / "dog/new.bmp")
    assert world(str(photos)) == ["dog/new.bmp"]
    kept = moved.read_bytes()
    moved.unlink()
    assert world(str(photos)) == []
    moved.write_bytes(kept)
    assert world(str(photos)) == ["dog/new.bmp"]


@pytest.mark.parametrize("how", ["over it", "in its place"])
def test_another_image_of_the_same_size_and_time_is_noticed(how, photos, world):
    """As `unzip` and `cp -p` leave it: only the system's own time of change tells."""
    world(str(photos))
    path = photos / "cat/0007.bmp"
    before = path.stat()
    other = path if how == "over it" else photos.parent / "other.bmp"
    other.write_bytes(picture(999))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    if other != path:
        other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)

    assert world(str(photos)) == ["cat/0007.bmp"]


def test_a_file_that_changed_just_before_is_not_remembered(photos, world, monkeypatch):
    """It may change again within one tick of the disk's clock."""
    monkeypatch.setattr(image_memory, "SETTLED_NS", 3_600_000_000_000)
    world(str(photos))
    assert len(world(str(photos))) == 60


def test_a_file_that_changes_while_it_is_read_is_read_again(photos, world, monkeypatch):
    noted = inspection.inspect_file

    def changing(source, path, **options):
        found = noted(source, path, **options)
        if path == "cat/0005.bmp" and not (photos.parent / "i.parquet").exists():
            (photos / path).write_bytes(picture(500))
        return found

    monkeypatch.setattr(inspection, "inspect_file", changing)
    spec = read_spec("mine", str(photos))
    memory = photos.parent / "memory"
    options = {"params": IndexParams(), "images": ImageParams(), "memories": memory}
    index_dataset("mine", spec, photos.parent / "i.parquet", **options)

    assert world(str(photos)) == ["cat/0005.bmp"]


def test_bad_images_are_looked_at_again_and_good_ones_are_not(photos, world):
    (photos / "cat/bad.bmp").write_bytes(b"BM and no more")

    assert len(world(str(photos))) == 61  # refused: nothing is left but what was learnt
    assert world(str(photos), unreadable="exclude") == ["cat/bad.bmp"]
    (photos / "cat/bad.bmp").write_bytes(picture(40))
    assert world(str(photos)) == ["cat/bad.bmp"]


@pytest.mark.parametrize(
    "changed",
    [
        {"images": ImageParams(max_pixels=50)},
        {"images": ImageParams(exif="apply")},
        {"verify_images": False},
        {"hash": False},
    ],
)
def test_what_was_found_by_another_policy_does_not_count(changed, photos, world):
    world(str(photos))
    assert len(world(str(photos), **changed)) == 60
    assert world(str(photos), **changed) == []


def test_what_other_code_found_does_not_count(photos, world, monkeypatch):
    world(str(photos))
    monkeypatch.setattr(image_memory, "stage_code", lambda _: {"images.py": "edited"})
    assert len(world(str(photos))) == 60


def test_names_of_the_policy_that_change_nothing_read_nothing(photos, world):
    world(str(photos))
    assert world(str(photos), partial=True, workers=3, expected={"mine": 60}) == []


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", None])
def test_a_damaged_memory_is_no_memory_and_is_written_anew(damage, photos, world):
    world(str(photos))
    (memory,) = (photos.parent / "memory").iterdir()
    data = bytearray(memory.read_bytes())
    data[len(data) // 3] ^= 1  # a flipped bit, where Parquet itself may see nothing
    memory.write_bytes(data if damage is None else damage)

    assert len(world(str(photos))) == 60
    assert world(str(photos)) == []
    assert len(list((photos.parent / "memory").iterdir())) == 1


def test_a_memory_that_cannot_be_written_costs_time_alone(photos, world, capsys):
    (photos.parent / "memory").write_text("a file where the folder should be")
    assert len(world(str(photos))) == len(world(str(photos))) == 60
    assert "warning: what was found is not remembered" in capsys.readouterr().err


def test_the_side_cache_keeps_the_tables_used_last(photos, world, monkeypatch):
    monkeypatch.setattr(image_memory, "KEPT", 2)
    fill(photos / "bird", range(3))
    memory = photos.parent / "memory"
    for minute, name in enumerate(("cat", "dog", "bird")):
        before = set(memory.glob("*"))
        world(str(photos / name))
        (new,) = set(memory.iterdir()) - before
        os.utime(new, (60 * minute, 60 * minute) if name != "bird" else None)
    assert len(list(memory.iterdir())) == 2
    assert world(str(photos / "bird")) == world(str(photos / "dog")) == []
    assert len(world(str(photos / "cat"))) == 30


def zipped(path: Path, shades: range) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for shade in shades:
            archive.writestr(f"a/{shade}.bmp", picture(shade))
    return path


def tarred(path: Path, shades: range) -> Path:
    return write_tar(path, {f"a/{shade}.bmp": picture(shade) for shade in shades})


def tabled(path: Path, shades: range) -> Path:
    pl.DataFrame({"image": [picture(shade) for shade in shades]}).write_parquet(path)
    return path


@pytest.mark.parametrize("write", [zipped, tarred, tabled])
def test_images_of_an_archive_are_read_again_when_it_is_replaced(write, tmp_path, world):
    kind = {zipped: "zip", tarred: "tar", tabled: "parquet"}[write]
    entry = {"source": kind, "path": str(write(tmp_path / f"x.{kind}", range(5)))}
    assert len(world(entry)) == 5
    assert world(entry) == []

    write(tmp_path / f"x.{kind}", range(1, 6))

    assert len(world(entry)) == 5


@pytest.mark.parametrize("write", [tarred, tabled])
def test_of_several_archives_only_the_new_one_is_read(write, tmp_path, world):
    kind = {tarred: "tar", tabled: "parquet"}[write]
    for number in range(2):
        write(tmp_path / f"s{number}.{kind}", range(number, 9))
    entry = {"source": kind, "path": f"{tmp_path}/s*.{kind}"}
    assert len(world(entry)) == 17
    write(tmp_path / f"s2.{kind}", range(3))

    assert [path.partition("::")[0] for path in world(entry)] == [f"s2.{kind}"] * 3


def test_images_of_a_list_are_those_of_its_root(photos, tmp_path, world):
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"x/cat/{number:04d}.bmp {number % 2}\n" for number in range(20)))
    entry = {"source": "list", "path": str(listed), "root": str(photos), "strip": 1}
    assert len(world(entry)) == 20
    listed.write_text("".join(f"x/cat/{number:04d}.bmp 1\n" for number in range(25)))
    assert len(world(entry)) == 5  # other labels read nothing
    unpacked = {**entry, "prefix": "photos"}
    assert len(world(unpacked)) == 25
    (photos / "cat/0002.bmp").write_bytes(picture(77))
    assert world(unpacked) == ["photos/cat/0002.bmp"]
