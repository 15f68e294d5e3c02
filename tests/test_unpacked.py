"""Where an archive may stand, the folder it was unpacked to may: same images, same paths."""

import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.sources import SourceError, open_source, read_spec

FILES = {"a/1.jpg": b"one", "b/2.jpg": b"two"}


def write(root: Path, names: dict[str, bytes]) -> Path:
    for name, data in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def read(values: dict, **options: str) -> dict[str, tuple[str, bytes]]:
    source = open_source(read_spec("mine", {**values, **options}))
    copy = pickle.loads(pickle.dumps(source))
    return {e.path: (e.class_key, copy.read(e.path)) for e in source.entries()}


@pytest.fixture
def packed(tmp_path):
    """Make an archive of files below some directories, and the folder of its content."""

    def pack(kind: str, inside: str) -> tuple[Path, Path]:
        tree = write(
            tmp_path / "cluster", {f"{inside}/{n}".strip("/"): d for n, d in FILES.items()}
        )
        path = tmp_path / f"set.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for file in tree.rglob("*.jpg"):
                    archive.write(file, file.relative_to(tree))
        else:
            with tarfile.open(path, "w:gz") as archive:
                for file in tree.iterdir():
                    archive.add(file, file.name)
        return path, tree

    return pack


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("inside", ["", "imagenet-o", "iNaturalist/images", "a/b/c"])
@pytest.mark.parametrize("declared", [True, False])
def test_an_archive_and_the_folder_it_was_unpacked_to_read_alike(kind, inside, declared, packed):
    archive, tree = packed(kind, inside)
    source = {"source": kind.split(".")[0] if declared else "folder"}
    values = {**source, "subfolder": inside, "ignore": ["*.csv"]}
    expected = {name: (name[0], data) for name, data in FILES.items()}

    assert read(values, path=str(archive)) == expected
    assert read(values, path=str(tree)) == expected
    unpacked = tree / inside.partition("/")[0]
    assert read(values, path=str(unpacked)) == expected


def test_a_copy_of_an_archive_may_bear_any_name(packed, tmp_path):
    tree = packed("zip", "imagenet-o")[1]
    copy = (tree / "imagenet-o").rename(tmp_path / "natural_adversarial")

    assert len(read({"source": "tar", "subfolder": "imagenet-o"}, path=str(copy))) == 2


def test_a_subfolder_that_is_not_there_is_refused_not_taken_for_the_whole(tmp_path):
    root = write(tmp_path / "images", {"train/a/1.jpg": b"", "val/a/1.jpg": b""})

    with pytest.raises(SourceError, match=r"mine\.subfolder' must be .* which holds no 'trian'"):
        read({"source": "folder", "subfolder": "trian"}, path=str(root))
    for source in ("folder", "tar", "zip"):
        with pytest.raises(SourceError, match=r"holds neither 'x/images' nor 'images'; give the"):
            read({"source": source, "subfolder": "x/images"}, path=str(root))


@pytest.mark.parametrize("prefix", ["", "val_256", "dtd/images"])
def test_a_list_reads_an_unpacked_copy_under_the_paths_of_the_archive(prefix, packed, tmp_path):
    archive, tree = packed("zip", prefix)
    listed = tmp_path / "list.txt"
    listed.write_text("texture/a/1.jpg 0\ntexture/b/2.jpg 1\n")
    values = {"source": "list", "path": str(listed), "strip": 1, "prefix": prefix}
    paths = [f"{prefix}/{name}".strip("/") for name in FILES]

    from_archive = read(values, root=str(archive))

    assert list(from_archive) == paths
    assert read(values, root=str(tree)) == from_archive
    assert read(values, root=str(tree / prefix.partition("/")[0])) == from_archive
    (tree / paths[1]).unlink()
    with pytest.raises(SourceError, match=rf"1 of 2 files listed .* are not in .*: {paths[1]}"):
        read(values, root=str(tree / prefix.partition("/")[0]))
