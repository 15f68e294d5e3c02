"""Text files of users: a byte order mark is no part of the first word, other encodings are told."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.indexing.labels import resolve_classes
from pipeline.language.class_names import class_names
from pipeline.language.prompts import prompt_set
from pipeline.language.text_file import read_text
from pipeline.language.text_negatives import word_list
from pipeline.sources import open_source, read_spec
from pipeline.sources.ground_truth import told_classes
from pipeline.sources.spec import FolderSet


def listed(path: Path) -> list[str]:
    (path.parent / "ant.png").touch()
    entry = {"source": "list", "path": str(path), "root": str(path.parent)}
    return [entry.path for entry in open_source(read_spec("mine", entry)).entries()]


def ordered(path: Path) -> list[str]:
    spec = FolderSet(path=".", classes=str(path))
    return resolve_classes(spec, declared=None, present=[], dataset="mine").keys


def renamed(path: Path) -> list[str]:
    spec = FolderSet(path=".", classes=["ant", "bee"], class_names=str(path))
    return resolve_classes(spec, declared=None, present=[], dataset="mine").names


def in_shard(path: Path) -> list[str]:
    with tarfile.open(path.parent / "x.tar", "w") as archive:
        for name, data in (("1.png", b"1"), ("1.cls", path.read_bytes())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    source = open_source(read_spec("mine", str(path.parent / "x.tar")))
    return [entry.class_key for entry in source.entries()]


# Each file as its module reads it: its name, its text, and what comes of it.
READERS: dict[str, tuple[str, str, Callable[[Path], list[str]], list[str]]] = {
    "names": ("n.txt", "ant\nbee\n", lambda p: class_names(str(p), ["x", "y"]), ["ant", "bee"]),
    "keyed": ("n.txt", "ant\tan ant\nb\tb\n", lambda p: class_names(str(p), ["ant"]), ["an ant"]),
    "json": ("n.json", '["ant", "bee"]', lambda p: class_names(str(p), ["x", "y"]), ["ant", "bee"]),
    "prompts": ("p.txt", "an {}\n", lambda p: prompt_set(str(p)), ["an {c}"]),
    "negatives": ("w.txt", "ant\n", lambda p: word_list(str(p), ["ANT", "b"], limit=9), []),
    "order": ("c.txt", "ant\nbee\n", ordered, ["ant", "bee"]),
    "readable": ("r.txt", "ant an ant\nbee a bee\n", renamed, ["an ant", "a bee"]),
    "truth": (
        "t.txt",
        "ant.png ant\n",
        lambda p: [entry.class_key for entry in told_classes(["ant.png"], p)],
        ["ant"],
    ),
    "list": ("l.txt", "ant.png 0\n", listed, ["ant.png"]),
    "shard": ("s.txt", "7", in_shard, ["7"]),
}


@pytest.mark.parametrize("kind", sorted(set(READERS) - {"negatives"}))
def test_a_byte_order_mark_is_no_part_of_the_first_word(kind, tmp_path):
    name, text, read, wanted = READERS[kind]
    (tmp_path / name).write_text(text, encoding="utf-8-sig")

    assert read(tmp_path / name) == wanted


def test_a_negative_word_behind_a_mark_is_still_the_name_of_a_class(tmp_path):
    (tmp_path / "w.txt").write_text("ant\nwren\n", encoding="utf-8-sig")

    assert word_list(str(tmp_path / "w.txt"), ["ANT"], limit=None) == ["wren"]


@pytest.mark.parametrize("kind", READERS)
def test_another_encoding_is_refused_with_the_file_the_line_and_the_cure(kind, tmp_path):
    name, text, read, _ = READERS[kind]
    (tmp_path / name).write_bytes(text.encode() + "caf\xe9".encode("latin-1"))

    with pytest.raises(
        ValueError, match=r"UTF-8; line \d holds the byte 0xe9, .*iconv -f LATIN1"
    ) as at:
        read(tmp_path / name)
    assert (str(tmp_path / name) if kind != "shard" else "x.tar::1.cls") in str(at.value)


def test_the_line_and_utf_16_are_told(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\ntwo \xff\n")
    with pytest.raises(ValueError, match="line 2 holds the byte 0xff"):
        read_text(tmp_path / "a.txt")

    (tmp_path / "b.txt").write_text("one", encoding="utf-16")
    with pytest.raises(ValueError, match="iconv -f UTF-16 -t UTF-8"):
        read_text(tmp_path / "b.txt")


def test_a_packed_list_may_have_a_mark_too(tmp_path):
    (tmp_path / "l.txt.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfant.png 0\n"))

    assert listed(tmp_path / "l.txt.gz") == ["ant.png"]
