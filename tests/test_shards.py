"""Several archives or tables as one data set: each row is read from the file that it came from."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import polars as pl
import pytest
from archives import write_tar

from pipeline.datasets.changed_files import changed_files
from pipeline.sources import SourceError, open_source, read_spec


def opened(values: object):
    return open_source(read_spec("mine", values))


def test_shards_of_one_name_in_two_folders_are_refused_by_both_paths(tmp_path):
    """Both rows would be called shard.tar::x.jpg, and be read from the first file."""
    for number in range(2):
        write_tar(tmp_path / f"s{number}/shard.tar", {"x.jpg": b"%d" % number, "x.cls": b"1"})

    with pytest.raises(SourceError, match=r"different names.*s0/shard\.tar' and '.*s1/shard\.tar'"):
        opened({"source": "tar", "path": str(tmp_path / "s{0..1}/shard.tar")})


def test_tables_of_one_name_in_two_folders_are_refused_by_both_paths(tmp_path):
    for number in range(2):
        (tmp_path / f"d{number}").mkdir()
        pl.DataFrame({"image": [b"x"]}).write_parquet(tmp_path / f"d{number}/t.parquet")

    with pytest.raises(SourceError, match=r"different names.*d0/t\.parquet' and '.*d1/t\.parquet'"):
        opened({"source": "parquet", "path": str(tmp_path / "d{0..1}/t.parquet")})


@pytest.mark.parametrize("pattern", ["s{0..1}/x{0..1}.tar", "s{0..1}/x{00..11}.tar", "x{5..2}.tar"])
def test_two_ranges_or_one_that_counts_down_are_refused(pattern, tmp_path):
    """Of s{0..1}/x{0..1}.tar only s0/x0.tar and s1/x1.tar would be read: half of the shards."""
    for folder in range(2):
        for number in range(2):
            write_tar(tmp_path / f"s{folder}/x{number}.tar", {"a/x.jpg": b"1"})

    with pytest.raises(SourceError, match="at most one range in braces, and that counts up"):
        opened({"source": "tar", "path": str(tmp_path / pattern)})


def test_a_wildcard_for_a_folder_is_refused_with_the_rule(tmp_path):
    write_tar(tmp_path / "s0/x.tar", {"a/x.jpg": b"1"})

    with pytest.raises(SourceError, match="in the name of a file, not of a folder"):
        opened({"source": "tar", "path": str(tmp_path / "s*/x.tar")})


def test_a_shard_that_is_gone_is_named(tmp_path):
    for number in range(2):
        write_tar(tmp_path / f"x{number}.tar", {"a/x.jpg": b"1"})
    source = opened({"source": "tar", "path": str(tmp_path / "x*.tar")})

    with pytest.raises(SourceError, match=r"the shard 'y\.tar', which is no longer there"):
        source.read("y.tar::a/x.jpg")


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_sparse_file_in_a_tar_is_refused_by_name(form, tmp_path):
    """Its bytes stand in pieces behind a map; a read in one piece gave others without a word."""
    image = tmp_path / "a" / "hole.ppm"
    image.parent.mkdir()
    with image.open("wb") as file:
        file.write(b"P6\n600 600\n255\n")
        file.seek(600 * 600 * 3)
        file.write(b"end")
    command = ["tar", "--sparse", f"--format={form}", "-cf", "x.tar", "a"]
    subprocess.run(command, cwd=tmp_path, check=True)

    with pytest.raises(SourceError, match=r"holds 'a/hole\.ppm' as a sparse file.* without --spar"):
        opened(str(tmp_path / "x.tar")).entries()


def test_a_name_in_a_tar_that_is_no_utf8_is_shown_as_bytes(tmp_path):
    path = write_tar(tmp_path / "x.tar", {"a/caf\udce9.png": b"1"})

    with pytest.raises(SourceError, match=r"the name b'a/caf\\xe9\.png', which is not UTF-8; ren"):
        opened(str(path)).entries()


@pytest.mark.parametrize("magic", [b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\0"])
def test_another_compression_is_refused_with_the_kinds_that_are_read(magic, tmp_path):
    path = tmp_path / "x.tar.zst"
    path.write_bytes(magic + bytes(600))

    with pytest.raises(SourceError, match=r"must be a \.tar or \.tar\.gz; .*Decompress it"):
        opened({"source": "tar", "path": str(path)}).entries()
    with pytest.raises(
        SourceError,
        match=r"pack it again\. Read in place are \.zip, ",
    ):
        opened(str(path)).entries()


@pytest.mark.parametrize(
    ("record", "key"), [(b'{"label": null}', ""), (b'{"label": "cat"}', "cat")]
)
def test_a_shards_json_may_say_that_there_is_no_label(record, key, tmp_path):
    path = write_tar(tmp_path / "x.tar", {"1.jpg": b"1", "1.json": record})

    assert [entry.class_key for entry in opened(str(path)).entries()] == [key]


def test_a_label_in_json_that_is_no_label_is_refused(tmp_path):
    path = write_tar(tmp_path / "x.tar", {"1.jpg": b"1", "1.json": b'{"label": [0, 1]}'})

    with pytest.raises(SourceError, match=r"'label' of '1\.json' .* number or text, got \[0, 1\]"):
        opened(str(path)).entries()


@pytest.mark.parametrize("pattern", ["x-{0..1}.tar", "x-*.tar", "sub/x-{0..1}.tar", "sub/x-?.tar"])
def test_a_pattern_is_looked_for_below_the_data_root_too(pattern, tmp_path, monkeypatch):
    """The working directory always exists, and so may a folder of the same name in it."""
    for folder in ("", "sub/"):
        for number in range(2):
            write_tar(tmp_path / f"data/{folder}x-{number}.tar", {"a/x.jpg": b"1"})
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)

    spec = read_spec("mine", {"source": "tar", "path": pattern}, data_root=Path("data"))

    assert [entry.class_key for entry in open_source(spec).entries()] == ["a", "a"]


def test_the_working_directory_comes_first_and_its_gaps_are_told(tmp_path, monkeypatch):
    for file in ("x-0.tar", "data/x-0.tar", "data/x-1.tar"):
        write_tar(tmp_path / file, {"a/x.jpg": b"1"})
    monkeypatch.chdir(tmp_path)

    spec = read_spec("mine", {"source": "tar", "path": "x-{0..1}.tar"}, data_root=Path("data"))

    with pytest.raises(SourceError, match=r"1 of 2 shards of 'x-{0\.\.1}\.tar' are missing"):
        open_source(spec)


def test_a_pattern_without_a_file_names_every_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(
        SourceError,
        match=r"'datasets\.mine\.path' matches no file; tried 'x-\*\.tar' and 'data/x-\*\.tar'",
    ):
        read_spec("mine", {"source": "tar", "path": "x-*.tar"}, data_root=Path("data"))


def test_a_folder_may_have_the_signs_of_a_pattern_in_its_name(tmp_path, monkeypatch):
    (tmp_path / "data/photos [old]/a").mkdir(parents=True)
    (tmp_path / "data/photos [old]/a/1.jpg").touch()
    monkeypatch.chdir(tmp_path)

    spec = read_spec("mine", "photos [old]", data_root=Path("data"))

    assert [entry.path for entry in open_source(spec).entries()] == ["a/1.jpg"]


@pytest.mark.parametrize("form", ["x.tar", "x.zip", "x"])
def test_archives_in_place_of_images_are_told_how_to_unpack(form, tmp_path):
    """As ILSVRC2012_img_train.tar, a tar of one tar a class."""
    names = ("n01440764.tar", "n01443537.tar")
    if form == "x.tar":
        write_tar(tmp_path / form, dict.fromkeys(names, b"1"))
    elif form == "x.zip":
        with zipfile.ZipFile(tmp_path / form, "w") as archive:
            for name in names:
                archive.writestr(name, b"1")
    else:
        for name in names:
            write_tar(tmp_path / form / name, {"a.jpg": b"1"})

    with pytest.raises(SourceError, match=r"archives .*2, the first is 'n01440764\.tar'.*class"):
        opened(str(tmp_path / form)).entries()


def test_a_member_may_have_the_mark_of_a_shard_in_its_name(tmp_path):
    files = {"a/col::on.jpg": b"1", "b/x.jpg": b"2"}
    write_tar(tmp_path / "x0.tar", files)
    write_tar(tmp_path / "x1.tar", files)

    for path in (tmp_path / "x0.tar", tmp_path / "x{0..1}.tar"):
        source = opened({"source": "tar", "path": str(path)})
        read = [source.read(entry.path) for entry in source.entries()]
        assert read == [b"1", b"2"] * (len(read) // 2)


def test_all_members_that_an_archive_lost_since_its_index_are_found(tmp_path):
    """The first alone used to be named, without a word of the index."""
    names = [f"a/{number}.png" for number in range(4)]
    path = write_tar(tmp_path / "x.tar", dict.fromkeys(names, b"1"))
    source = opened(str(path))
    digest = hashlib.sha256(b"1").hexdigest()

    write_tar(path, {names[0]: b"1", names[3]: b"other"})

    found = changed_files(source, names, [digest] * 4, first=names[1])
    assert found == (names[1:], True)
    with pytest.raises(SourceError, match=r"holds no 'a/1\.png'; put .*, or index the data set ag"):
        source.read(names[1])
