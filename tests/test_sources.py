"""Every kind of source lists the same images in the same order, and reads them in any order."""

import gzip
import io
import json
import multiprocessing
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pipeline.datasets.images import decode_image
from pipeline.sources import SourceError, open_source, read_spec
from pipeline.sources.handles import shared


def picture(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (5, 3), (shade, 0, 255 - shade)).save(buffer, "PNG")
    return buffer.getvalue()


# Names that trip sorting and encodings: '10' sorts before '2', composed and decomposed accents.
FILES = {
    name: picture(shade)
    for shade, name in enumerate(
        [
            "10/a.png",
            "2/b.png",
            "2/deep/er/c.png",
            "caf\u00e9/d e.png",
            "cafe\u0301/\u732b.png",
            "n/" + "n" * 240 + ".png",
        ]
    )
}
CLASSES = ["10", "2", "2", "caf\u00e9", "cafe\u0301", "n"]


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in reversed(files.items()):
            archive.writestr(name, data)
    return path


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in reversed(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


TREES: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "folder": lambda tmp, files: write_folder(tmp / "tree", files),
    "zip": lambda tmp, files: write_zip(tmp / "tree.zip", files),
    "tar": lambda tmp, files: write_tar(tmp / "tree.tar", files),
    "tar.gz": lambda tmp, files: write_tar(tmp / "tree.tar.gz", files),
}


def opened(values: object):
    return open_source(read_spec("mine", values))


@pytest.mark.parametrize("kind", TREES)
def test_a_tree_of_class_folders_reads_alike_from_every_container(kind, tmp_path):
    source = opened(str(TREES[kind](tmp_path, FILES)))

    entries = source.entries()

    assert [entry.path for entry in entries] == sorted(FILES)
    assert sorted(entry.class_key for entry in entries) == sorted(CLASSES)
    assert source.class_order() is None
    copy = pickle.loads(pickle.dumps(source))
    for path in sorted(FILES, reverse=True):
        assert source.read(path) == copy.read(path) == FILES[path]


@pytest.mark.parametrize("kind", TREES)
def test_threads_share_one_source(kind, tmp_path):
    source = opened(str(TREES[kind](tmp_path, FILES)))
    wanted = sorted(FILES) * 50

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(source.read, wanted)) == [FILES[path] for path in wanted]


@pytest.mark.parametrize("kind", TREES)
def test_a_subfolder_is_a_data_set_of_its_own_and_companions_are_left_out(kind, tmp_path):
    extra = {
        f"top/{name}": data
        for name, data in {**FILES, "README.txt": b"", "2/.x": b"", "2/Thumbs.db": b""}.items()
    }
    path = str(TREES[kind](tmp_path, extra | {"other/x.png": b"", "top/a/n.csv": b""}))

    source = opened({"path": path, "subfolder": "top", "ignore": ["*.CSV"]})

    assert [entry.path for entry in source.entries()] == sorted(FILES)
    assert source.read("2/b.png") == FILES["2/b.png"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/etc/out.png"])
def test_an_archive_that_climbs_out_is_refused(kind, name, tmp_path):
    path = TREES[kind](tmp_path, {"a/1.png": picture(1), name: picture(2)})

    with pytest.raises(SourceError, match=r"tree.*holds the path '.*out\.png', which climbs out"):
        opened(str(path)).entries()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_truncated_archive_is_refused_by_name(kind, tmp_path):
    noise = np.random.default_rng(0).bytes(3000)
    path = TREES[kind](tmp_path, {"a/1.png": noise, "b/2.png": noise[::-1]})
    path.write_bytes(path.read_bytes()[:2000])

    with pytest.raises(SourceError, match=rf"tree\.{kind}' is no readable"):
        opened(str(path)).entries()


def test_a_damaged_member_is_named(tmp_path):
    path = write_zip(tmp_path / "tree.zip", {"a/1.png": picture(1)})
    data = bytearray(path.read_bytes())
    data[60] ^= 255
    path.write_bytes(data)

    with pytest.raises(SourceError, match=r"'a/1\.png' in the archive .*tree\.zip': Bad CRC-32"):
        opened(str(path)).read("a/1.png")
    with pytest.raises(SourceError, match=r"tree\.zip' holds no 'a/2\.png'"):
        opened(str(path)).read("a/2.png")


def test_links_are_followed_and_loops_named(tmp_path):
    write_folder(tmp_path / "elsewhere", {"x.png": picture(1)})
    root = write_folder(tmp_path / "tree", {"a/1.png": picture(2)})
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "2.png").symlink_to(root / "a" / "1.png")
    assert [e.path for e in opened(str(root)).entries()] == ["a/1.png", "a/2.png", "b/x.png"]

    (root / "a" / "again").symlink_to(root)
    with pytest.raises(SourceError, match="a/again' is a link back"):
        opened(str(root)).entries()


def test_a_name_that_is_no_utf8_is_shown_as_bytes(tmp_path):
    root = write_folder(tmp_path, {"a/1.png": picture(1)})
    (root / "a" / "caf\udce9.png").write_bytes(b"")

    with pytest.raises(SourceError, match=r"not UTF-8: b'a/caf\\xe9\.png'; rename"):
        opened(str(root)).entries()


def test_links_inside_a_tar_are_the_files_they_point_to(tmp_path):
    path = write_tar(tmp_path / "tree.tar", {"a/1.png": picture(1)})
    with tarfile.open(path, "a") as archive:
        for kind, name, target in (
            (tarfile.SYMTYPE, "b/2.png", "../a/1.png"),
            (tarfile.LNKTYPE, "c/3.png", "a/1.png"),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)

    source = opened(str(path))

    assert [entry.path for entry in source.entries()] == ["a/1.png", "b/2.png", "c/3.png"]
    assert source.read("b/2.png") == source.read("c/3.png") == picture(1)


def test_a_text_beside_no_image_is_not_dropped_in_silence(tmp_path):
    path = write_tar(tmp_path / "tree.tar", {"a/1.png": picture(1), "a/notes.txt": b"words"})

    assert [entry.path for entry in opened(str(path)).entries()] == ["a/1.png", "a/notes.txt"]


def opening_process(path: Path) -> int:
    return os.getpid()


def handle_of(path: Path) -> int:
    return shared(path, opening_process)


def test_a_forked_child_opens_its_own_handle(tmp_path):
    assert handle_of(tmp_path) == handle_of(tmp_path) == os.getpid()

    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(handle_of, (tmp_path,)) not in (os.getpid(), None)


def test_an_archive_that_was_replaced_is_opened_anew(tmp_path):
    source = opened(str(write_zip(tmp_path / "tree.zip", {"a/1.png": picture(1)})))
    assert source.read("a/1.png") == picture(1)

    write_zip(tmp_path / "tree.zip", {"a/1.png": picture(2), "a/2.png": b""})

    assert source.read("a/1.png") == picture(2)


def test_gzip_goes_back_from_points_it_has_passed(tmp_path, monkeypatch):
    from pipeline.sources import gzip_seek

    monkeypatch.setattr(gzip_seek, "POINTS", 10**9)
    monkeypatch.setattr(gzip_seek, "BLOCK", 1000)
    data = np.random.default_rng(0).integers(0, 60, 3_000_000, dtype=np.uint8).tobytes()
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(data[:1_000_000], 1) + gzip.compress(data[1_000_000:], 1))
    reader = gzip_seek.GzipReader(path)

    assert reader.read() == data
    assert len(reader._points) > 1
    before_points = [point - 10 for point, _, _ in reader._points[:0:-1]]
    assert [reader.pread(20, place) for place in before_points] == [
        data[place : place + 20] for place in before_points
    ]
    for place in np.random.default_rng(1).integers(0, len(data), 60):
        assert reader.pread(100, int(place)) == data[place : place + 100]


def test_a_list_gives_labels_by_number_and_no_label_for_minus_one(tmp_path):
    root = write_folder(tmp_path / "images", {f"set/{i} x.png": picture(i) for i in range(3)})
    listed = tmp_path / "list.txt"
    listed.write_text("./set/2 x.png 10\nset/0 x.png 2\nset/1 x.png -1\n")

    source = opened({"source": "list", "path": str(listed), "root": str(root)})

    assert [tuple(e) for e in source.entries()] == [
        ("set/0 x.png", "2"),
        ("set/1 x.png", ""),
        ("set/2 x.png", "10"),
    ]
    assert source.class_order() == [str(i) for i in range(11)]
    assert source.read("set/1 x.png") == picture(1)


def test_a_list_can_point_into_an_archive(tmp_path):
    archive = write_zip(tmp_path / "a.zip", FILES)
    listed = tmp_path / "list.txt.gz"
    listed.write_bytes(gzip.compress(b"big/2/b.png\nbig/10/a.png\n"))

    source = opened({"source": "list", "path": str(listed), "root": str(archive), "strip": 1})

    assert [tuple(e) for e in source.entries()] == [("10/a.png", ""), ("2/b.png", "")]
    assert pickle.loads(pickle.dumps(source)).read("2/b.png") == FILES["2/b.png"]


def test_a_list_for_one_layout_reads_another(tmp_path):
    """OpenOOD's names of Places365 in a folder a class, against the publisher's flat archive."""
    archive = write_zip(tmp_path / "a.zip", {"val_256/1.png": picture(1), "val_256/2.png": b""})
    listed = tmp_path / "list.txt"
    listed.write_text("places365/abbey/1.png -1\n")
    entry = {"source": "list", "path": str(listed), "root": str(archive)}

    source = opened({**entry, "strip": 2, "prefix": "val_256"})

    assert [tuple(e) for e in source.entries()] == [("val_256/1.png", "")]
    assert source.read("val_256/1.png") == picture(1)


def test_a_tab_parts_path_and_label_as_a_space_does(tmp_path):
    root = write_folder(tmp_path / "images", {"a b.png": picture(0), "c.png": picture(1)})
    (tmp_path / "list.txt").write_text("a b.png\t3\nc.png \t -1\n")
    entry = {"source": "list", "path": str(tmp_path / "list.txt"), "root": str(root)}

    assert [tuple(e) for e in opened(entry).entries()] == [("a b.png", "3"), ("c.png", "")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a.png,0\n", r"are not in .*: a\.png,0\. A line is a path, a space or tab and a number"),
        ("a.png\tcat\t1\n", "A line is a path, a space or tab"),
        ("b.png 1\n", r"are not in '[^']*': b\.png; strip drops"),
        ("a.png 0\nb.png 1\n", r"1 of 2 files listed in .* are not in .*: b\.png$"),
        ("a.png 0\na.png 1\n", r"lists 'a\.png' twice with the labels 0 and 1"),
        ("../a.png 0\n", r"line 1 of .* holds the path '\.\./a\.png', which climbs out"),
    ],
)
def test_a_bad_list_is_refused(lines, message, tmp_path):
    root = write_folder(tmp_path / "images", {"a.png": picture(0)})
    (tmp_path / "list.txt").write_text(lines)

    with pytest.raises(SourceError, match=message):
        opened({"source": "list", "path": str(tmp_path / "list.txt"), "root": str(root)}).entries()


def test_webdataset_shards_pair_images_with_their_labels(tmp_path):
    shards = {
        0: {
            "s1.jpg": picture(1),
            "s1.cls": b"10",
            "s0.jpg": picture(0),
            "s0.json": b'{"label": 2}',
        },
        1: {"s2.jpg": picture(2), "s2.cls": b"0", "s2.txt": b"a caption"},
    }
    for number, files in shards.items():
        write_tar(tmp_path / f"train-{number:04d}.tar", files)

    source = opened({"source": "tar", "path": str(tmp_path / "train-{0000..0001}.tar")})

    assert [tuple(entry) for entry in source.entries()] == [
        ("train-0000.tar::s0.jpg", "2"),
        ("train-0000.tar::s1.jpg", "10"),
        ("train-0001.tar::s2.jpg", "0"),
    ]
    assert source.class_order() == [str(i) for i in range(11)]
    assert pickle.loads(pickle.dumps(source)).read("train-0001.tar::s2.jpg") == picture(2)
    assert opened({"source": "tar", "path": str(tmp_path / "*.tar")}).entries() == source.entries()
    with pytest.raises(SourceError, match=r"1 of 3 shards .* missing, .*train-0002\.tar"):
        opened({"source": "tar", "path": str(tmp_path / "train-{0000..0002}.tar")})


@pytest.mark.parametrize("structured", [True, False])
def test_parquet_rows_keep_their_order_over_several_files(structured, tmp_path):
    for part in range(2):
        images = [picture(100 * part + row) for row in range(70)]
        column = [{"bytes": data, "path": "x.png"} for data in images] if structured else images
        pl.DataFrame({"image": column, "label": [row % 3 for row in range(70)]}).write_parquet(
            tmp_path / f"train-0000{part}-of-00002.parquet", row_group_size=16
        )

    source = opened({"source": "parquet", "path": str(tmp_path)})
    entries = source.entries()

    assert len(entries) == 140
    assert entries[70].path == "train-00001-of-00002.parquet::000000"
    assert [entry.class_key for entry in entries[:4]] == ["0", "1", "2", "0"]
    assert source.class_order() == ["0", "1", "2"]
    assert sorted(entries) == entries
    for row in (139, 0, 69, 70):
        assert source.read(entries[row].path) == picture(100 * (row // 70) + row % 70)


def test_parquet_takes_class_names_from_the_files_metadata(tmp_path):
    features = {"info": {"features": {"label": {"names": ["zebra", "ant"], "_type": "ClassLabel"}}}}
    pl.DataFrame({"image": [picture(0), picture(1)], "label": [1, 0]}).write_parquet(
        tmp_path / "a.parquet", metadata={"huggingface": json.dumps(features)}
    )

    source = opened(str(tmp_path / "a.parquet"))

    assert [entry.class_key for entry in source.entries()] == ["ant", "zebra"]
    assert source.class_order() == ["zebra", "ant"]
    with pytest.raises(SourceError, match="no column 'img'; it has image, label"):
        opened(
            {"path": str(tmp_path / "a.parquet"), "source": "parquet", "image_column": "img"}
        ).entries()


def cifar_files(*, hundred: bool) -> dict[str, bytes]:
    rng = np.random.default_rng(0)

    def batch(labels: dict[str, list[int]]) -> bytes:
        n = len(next(iter(labels.values())))
        pixels = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
        return pickle.dumps({"data": pixels, **labels}, protocol=2)

    if hundred:
        meta = {"fine_label_names": ["b_fine", "a_fine"], "coarse_label_names": ["coarse"]}
        labels = {"fine_labels": [1, 0, 1], "coarse_labels": [0, 0, 0]}
        files = {"meta": pickle.dumps(meta, 2), "train": batch(labels), "test": batch(labels)}
        return {f"cifar-100-python/{name}": data for name, data in files.items()}
    files = {f"data_batch_{i}": batch({"labels": [i % 2, 0]}) for i in range(1, 6)}
    files["test_batch"] = batch({"labels": [1]})
    files["batches.meta"] = pickle.dumps({"label_names": ["zebra", "ant"]}, 2)
    return {f"cifar-10-batches-py/{name}": data for name, data in files.items()}


def test_cifar10_keeps_the_batches_order_and_the_publishers_labels(tmp_path):
    files = cifar_files(hundred=False)
    path = write_tar(tmp_path / "cifar-10-python.tar.gz", files)

    source = opened({"source": "cifar", "path": str(path), "split": "train"})
    entries = source.entries()

    assert [entry.path for entry in entries[:2]] == ["000000.pnm", "000001.pnm"]
    assert [entry.class_key for entry in entries[:4]] == ["ant", "zebra", "zebra", "zebra"]
    assert source.class_order() == ["zebra", "ant"]
    second = pickle.loads(files["cifar-10-batches-py/data_batch_2"])["data"][1]
    seen = np.asarray(decode_image(source.read("000003.pnm"), path="x"))
    np.testing.assert_array_equal(seen, second.reshape(3, 32, 32).transpose(1, 2, 0))
    assert len(opened(str(path)).entries()) == 1  # the name tells the kind; test is the default


def test_cifar100_from_its_folder_with_fine_or_coarse_classes(tmp_path):
    root = write_folder(tmp_path, cifar_files(hundred=True))

    fine = opened({"source": "cifar", "path": str(root)})
    coarse = opened({"source": "cifar", "path": str(root), "coarse": True})

    assert [entry.class_key for entry in fine.entries()] == ["a_fine", "b_fine", "a_fine"]
    assert [entry.class_key for entry in coarse.entries()] == ["coarse"] * 3


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (print, ("run",))

    files = cifar_files(hundred=False)
    files["cifar-10-batches-py/test_batch"] = pickle.dumps(Malicious())
    path = write_tar(tmp_path / "cifar-10-python.tar.gz", files)

    with pytest.raises(SourceError, match=r"asks for 'builtins\.print'"):
        opened(str(path)).entries()


def test_svhn_writes_zero_as_ten(tmp_path):
    from scipy.io import savemat

    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 2), dtype=np.uint8)
    savemat(tmp_path / "test_32x32.mat", {"X": pixels, "y": np.array([[10], [3]])})

    source = opened(str(tmp_path / "test_32x32.mat"))

    assert [entry.class_key for entry in source.entries()] == ["0", "3"]
    seen = decode_image(source.read("000001.pnm"), path="x")
    np.testing.assert_array_equal(np.asarray(seen), pixels[..., 1])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": "webdata", "path": "."}, "must be one of cifar, .*zip, got 'webdata'"),
        (
            {"path": ".", "clases": True},
            r"unknown parameter 'datasets\.mine\.clases'; known: .*classes",
        ),
        ({"source": "folder"}, "'datasets.mine' has no path; give"),
        ("nowhere/at/all", r"does not exist; tried 'nowhere/at/all' and 'data/raw/nowhere/at/all'"),
        (7, "must be a path or a mapping, got 7"),
    ],
)
def test_a_bad_entry_names_what_is_known(values, message):
    with pytest.raises(ValueError, match=message):
        read_spec("mine", values)


def test_relative_paths_are_found_below_the_data_root(tmp_path):
    write_folder(tmp_path, {"photos/a/1.png": picture(1)})

    assert read_spec("mine", "photos", data_root=tmp_path).path == str(tmp_path / "photos")
