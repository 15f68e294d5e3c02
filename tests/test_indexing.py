"""From a folder of photos to its index: order, labels, filters, and everything that is refused."""

import dataclasses
import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_excluded, read_index
from pipeline.extraction.content_key import index_digest
from pipeline.indexing.id_sets import check_id
from pipeline.indexing.index_dataset import Role, index_dataset
from pipeline.indexing.indexing import IndexParams, UnreadableImagesError, list_images
from pipeline.indexing.inspection import inspect_files
from pipeline.language.shipped import imagenet_wnids
from pipeline.sources import SourceError, open_source, read_spec

ROOT = Path(__file__).parent.parent
PHOTOS = ROOT / "../shared/data"


def photo(path: Path, shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (shade % 256, 0, 0)).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Three photos of each of three classes."""
    for shade, name in enumerate(["dog", "cat", "10 birds"]):
        for number in range(3):
            photo(tmp_path / "animals" / name / f"{number}.png", 10 * shade + number)
    return tmp_path / "animals"


def index_of(values: object, path: Path, **options: object) -> pl.DataFrame:
    params = dataclasses.replace(IndexParams(), **options.pop("params", {}))
    spec = read_spec("mine", values)
    index_dataset("mine", spec, path, params=params, images=ImageParams(), **options)
    return read_index(path)


def test_rows_are_sorted_paths_and_labels_sorted_class_names(animals, tmp_path):
    index = index_of(str(animals), tmp_path / "i.parquet")

    assert index["path"].to_list() == sorted(
        p.relative_to(animals).as_posix() for p in animals.rglob("*.png")
    )
    assert index["label"].to_list() == [0] * 3 + [1] * 3 + [2] * 3
    assert index["class_name"].unique(maintain_order=True).to_list() == ["10 birds", "cat", "dog"]
    first = (animals / "10 birds/0.png").read_bytes()
    assert index["sha256"][0] == hashlib.sha256(first).hexdigest()


def test_the_same_folder_elsewhere_gives_the_same_bytes(animals, tmp_path):
    index_of(str(animals), tmp_path / "a.parquet")
    moved = animals.rename(tmp_path / "moved")
    index_of(str(moved), tmp_path / "b.parquet", params={"workers": 3})

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_without_hashes_the_place_tells_two_folders_of_equal_names_apart(animals, tmp_path):
    unhashed = {"params": {"hash": False}}
    first = index_of(str(animals), tmp_path / "a.parquet", **unhashed)
    index_of(str(animals), tmp_path / "again.parquet", **unhashed)
    other = index_of(str(animals.rename(tmp_path / "b")), tmp_path / "b.parquet", **unhashed)

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() != (tmp_path / "b.parquet").read_bytes()
    assert index_digest(first) != index_digest(other)


def test_without_hashes_size_and_time_tell_a_file_from_the_one_before(animals, tmp_path):
    unhashed = {"params": {"hash": False}}
    first = index_of(str(animals), tmp_path / "a.parquet", **unhashed)
    photo(animals / "dog/0.png", 99)
    second = index_of(str(animals), tmp_path / "b.parquet", **unhashed)
    (animals / "dog/0.png").chmod(0o600)
    third = index_of(str(animals), tmp_path / "c.parquet", **unhashed)

    assert index_digest(first) != index_digest(second) == index_digest(third)


@pytest.mark.parametrize(
    ("options", "names", "labels"),
    [
        ({"include_classes": ["dog", "cat"]}, ["cat"] * 3 + ["dog"] * 3, [0] * 3 + [1] * 3),
        ({"exclude_classes": ["10 birds"]}, ["cat"] * 3 + ["dog"] * 3, [0] * 3 + [1] * 3),
        ({"max_per_class": 1}, ["10 birds", "cat", "dog"], [0, 1, 2]),
        ({"classes": ["dog", "cat", "10 birds"], "max_per_class": 1}, None, [2, 1, 0]),
        ({"classes": False}, [""] * 9, [-1] * 9),
        (
            {"class_names": {"dog": "hound", "cat": "cat", "10 birds": "cat"}, "max_per_class": 1},
            ["cat", "cat", "hound"],
            [0, 1, 2],
        ),
    ],
)
def test_filters_orders_and_names(options, names, labels, animals, tmp_path):
    index = index_of({"path": str(animals), **options}, tmp_path / "i.parquet")

    assert index["label"].to_list() == labels
    assert names is None or index["class_name"].to_list() == names


def test_class_lists_and_names_come_from_files_too(animals, tmp_path):
    (tmp_path / "order.txt").write_text("dog\ncat\n")
    (tmp_path / "names.json").write_text('["a hound", "a cat"]')

    index = index_of(
        {
            "path": str(animals),
            "classes": str(tmp_path / "order.txt"),
            "class_names": str(tmp_path / "names.json"),
            "include_classes": ["dog"],
            "max_per_class": 1,
        },
        tmp_path / "i.parquet",
    )

    assert index.select("label", "class_name").rows() == [(0, "a hound")]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("b\na\nb\n", {}),
        ("ImageId,PredictionString\nv_2,a 1 2\nv_1,b 9\nv_3,b 4\n", {}),
        ("2\n1\n2\n", {"classes": ["a", "b"], "first_label": 1}),
        ("v_2.png 1\nv_1.png 0\nv_3.png 0\n", {"classes": ["b", "a"]}),
    ],
)
def test_a_flat_validation_folder_is_sorted_by_its_ground_truth(text, options, tmp_path):
    """The training set has a directory a class; ImageNet's own numbering is not their order."""
    for name in ("train/a/1", "train/b/1", "val/v_1", "val/v_2", "val/v_3"):
        photo(tmp_path / f"{name}.png", 1)
    (tmp_path / "truth.txt").write_text(text)
    train = "train", list_images("train", read_spec("train", str(tmp_path / "train")))[1]

    index = index_of(
        {"path": str(tmp_path / "val"), "labels": str(tmp_path / "truth.txt"), **options},
        tmp_path / "i.parquet",
        reference=train,
    )

    assert index["label"].to_list() == [1, 0, 1]
    assert index["class_name"].to_list() == ["b", "a", "b"]


def test_a_ground_truth_that_does_not_fit_is_refused(tmp_path):
    for number in range(3):
        photo(tmp_path / "val" / f"{number}.png", 1)
    truth = tmp_path / "truth.txt"
    entry = {"path": str(tmp_path / "val"), "labels": str(truth)}
    for text, classes, message in (
        ("a\nb\n", True, "one line for each of the 3 images, got 2"),
        ("0.png a\n1.png b\n", True, r"no line for 1 of 3 images, the first is '2\.png'"),
        ("1\n2\n3\n", ["a", "b", "c"], "has the label 3, but its list of 3 classes .* 0 to 2"),
    ):
        truth.write_text(text)
        with pytest.raises(SourceError, match=message):
            list_images("mine", read_spec("mine", {**entry, "classes": classes}))


def test_official_numbers_are_no_places_in_the_sorted_wordnet_ids(tmp_path):
    """By hand: ILSVRC2012's number 1 is n02119789; the first of the sorted ids is n01440764."""
    photo(tmp_path / "val/ILSVRC2012_val_00000001.JPEG", 1)
    truth = tmp_path / "truth.txt"
    entry = {"path": str(tmp_path / "val"), "labels": str(truth)}
    sorted_ids = list(imagenet_wnids())

    truth.write_text("1\n")
    with pytest.raises(SourceError, match="1 is n02119789, .*stages.sort_validation --meta"):
        list_images("mine", read_spec("mine", {**entry, "classes": sorted_ids, "first_label": 1}))
    own = {**entry, "classes": ["n02119789", "n02100735"], "first_label": 1}
    assert list_images("mine", read_spec("mine", own))[0][0].class_key == "n02119789"
    truth.write_text("0\n")
    from_zero = read_spec("mine", {**entry, "classes": sorted_ids})
    assert list_images("mine", from_zero)[0][0].class_key == "n01440764"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"include_classes": ["lion"]},
            r"include_classes names 1 of 1 classes .*: lion; there are 10 birds, cat, dog",
        ),
        ({"classes": ["cat", "dog"]}, r"1 classes of 'mine' are not in its class list: 10 birds"),
        ({"classes": ["cat", "cat"]}, r"'cat' is listed twice"),
        ({"class_names": {"cat": "x"}}, r"class_names has no name for 2 classes: 10 birds, dog"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(options, message, animals):
    with pytest.raises(SourceError, match=message):
        list_images("mine", read_spec("mine", {"path": str(animals), **options}))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("n.json", '{"cat": "a", "cat": "b", "dog": "c"}', "key 'cat' twice, for 'a' and 'b'"),
        ("n.txt", "cat a\ncat b\ndog c\n10 d\n", "key 'cat' twice, for 'a' and 'b'"),
    ],
)
def test_names_that_give_a_class_twice_are_refused(name, text, message, animals, tmp_path):
    (tmp_path / name).write_text(text)
    entry = {"path": str(animals), "class_names": str(tmp_path / name)}

    with pytest.raises(ValueError, match=message):
        list_images("mine", read_spec("mine", entry))


def test_names_by_position_are_refused_for_numbers_that_are_sorted_as_text(tmp_path):
    for number in (0, 2, 10):
        photo(tmp_path / "images" / str(number) / "a.png", number)
    (tmp_path / "names.json").write_text('["zero", "two", "ten"]')
    entry = {"path": str(tmp_path / "images"), "class_names": str(tmp_path / "names.json")}

    with pytest.raises(SourceError, match=r"order of text \(0, 10, 2\): which name is whose"):
        list_images("mine", read_spec("mine", entry))


def test_all_bad_files_are_listed_not_the_first(animals, tmp_path):
    (animals / "cat" / "notes.txt").write_text("no image")
    (animals / "dog" / "empty.jpg").write_bytes(b"")
    (animals / "dog" / "gone.jpg").symlink_to("nowhere")
    (animals / "dog" / "self.jpg").symlink_to("self.jpg")
    (animals / "self").symlink_to("self")
    path = tmp_path / "data" / "i.parquet"

    with pytest.raises(UnreadableImagesError, match="5 files of 'mine'") as caught:
        index_of(str(animals), path)

    assert [bad for bad, _ in caught.value.bad] == [
        "cat/notes.txt",
        "dog/empty.jpg",
        "dog/gone.jpg",
        "dog/self.jpg",
        "self",
    ]
    assert len((path.parent / "i.unreadable.txt").read_text().splitlines()) == 5
    assert not path.exists()

    index = index_of(str(animals), path, params={"unreadable": "exclude"})
    assert len(index) == 9
    assert read_excluded(path)["path"].to_list() == [bad for bad, _ in caught.value.bad]


def test_an_empty_file_is_noticed_without_decoding(animals, tmp_path):
    (animals / "dog" / "empty.jpg").write_bytes(b"")

    with pytest.raises(UnreadableImagesError, match=r"dog/empty\.jpg: the file is empty"):
        index_of(str(animals), tmp_path / "i.parquet", params={"verify_images": False})


def test_an_empty_or_missing_folder_is_refused(tmp_path):
    (tmp_path / "none").mkdir()

    with pytest.raises(SourceError, match="'mine' must hold images; .*none' holds none"):
        list_images("mine", read_spec("mine", str(tmp_path / "none")))
    with pytest.raises(SourceError, match="'datasets.mine.path' does not exist; tried"):
        read_spec("mine", str(tmp_path / "nowhere"))


def test_in_distribution_sets_need_classes_and_training_two(animals, tmp_path):
    one = {"path": str(animals), "include_classes": ["cat"]}
    with pytest.raises(SourceError, match="at least two classes, .* got one: 'cat'"):
        index_of(one, tmp_path / "i.parquet", role=Role(training=True))
    index_of(one, tmp_path / "i.parquet", role=Role(testing=True))

    photo(animals / "stray.png", 200)
    entries = list_images("mine", read_spec("mine", str(animals)))[0]
    with pytest.raises(SourceError, match=r"1 have none, the first is 'stray\.png'"):
        check_id(entries, dataset="mine", training=False)


def test_a_training_class_of_one_image_is_told_before_anything_is_read(animals, tmp_path, capsys):
    for class_name in ("newt", "toad"):
        photo(animals / class_name / "only.png", 9)
    spec = {"path": str(animals)}

    index_of(spec, tmp_path / "i.parquet", role=Role(testing=True))
    assert "one image" not in capsys.readouterr().out
    index_of(spec, tmp_path / "i.parquet", role=Role(training=True))

    printed = capsys.readouterr().out
    assert "2 classes have one image" in printed
    assert "`fit` will stop: newt, toad; add images, or leave these classes out by data" in printed


def test_a_stray_text_beside_class_folders_is_told_how_to_be_ignored(animals):
    (animals / "notes.txt").write_text("mine")
    (animals / "more.TXT").write_text("mine")

    with pytest.raises(SourceError, match=r"'more\.TXT'\. By its name that is no image") as told:
        check_id(
            list_images("mine", read_spec("mine", str(animals)))[0], dataset="mine", training=False
        )

    assert str(told.value).endswith("by -S '++datasets.mine.ignore=[*.txt]'")
    spec = read_spec("mine", {"path": str(animals), "ignore": ["*.txt"]})
    check_id(list_images("mine", spec)[0], dataset="mine", training=False)


def test_the_flat_validation_folder_is_told_both_cures(tmp_path):
    photo(tmp_path / "val/ILSVRC2012_val_00000001.JPEG", 1)
    entries = list_images("te", read_spec("te", str(tmp_path / "val")))[0]

    with pytest.raises(SourceError, match=r"datasets\.te\.labels") as told:
        check_id(entries, dataset="te", training=False)
    assert "python -m stages.sort_validation" in str(told.value)


def test_test_labels_are_positions_in_the_training_classes(animals, tmp_path):
    train = "train", list_images("train", read_spec("train", str(animals)))[1]
    only_dogs = {"path": str(animals), "include_classes": ["dog"]}

    index = index_of(only_dogs, tmp_path / "i.parquet", reference=train)

    assert index["label"].unique().to_list() == [2]
    photo(animals / "lion" / "0.png", 99)
    with pytest.raises(
        SourceError,
        match="1 ID classes of 'mine' have no training rows in 'train': lion; .*exclude_classes",
    ):
        list_images("mine", read_spec("mine", str(animals)), reference=train)


def test_processes_find_what_threads_find(animals, monkeypatch):
    (animals / "cat" / "bad.png").write_bytes(b"bad")
    source = open_source(read_spec("mine", str(animals)))
    paths = [entry.path for entry in source.entries()]
    options = {"hashed": True, "verify": True, "images": ImageParams(), "workers": 2}
    in_threads = inspect_files(source, paths, **options)

    monkeypatch.setattr("pipeline.indexing.inspection.PROCESSES_FROM", 1)
    monkeypatch.setattr("pipeline.indexing.inspection.CHUNK", 2)
    done = []
    in_processes = inspect_files(source, paths, **options, advance=done.append)

    assert in_processes == in_threads
    assert sum(error is not None for _, error in in_threads) == 1
    assert sum(done) == len(paths)


def test_rows_of_imported_features_need_no_files(tmp_path):
    np.savez(tmp_path / "f.npz", features=np.ones((4, 2), np.float32), labels=[10, 2, 2, -1])

    index = index_of(
        {"source": "features", "path": str(tmp_path / "f.npz")}, tmp_path / "i.parquet"
    )

    assert index["label"].to_list() == [10, 2, 2, -1]
    assert index["class_name"].to_list() == ["10", "2", "2", ""]
    assert index["path"][3] == "000000003"
    np.save(tmp_path / "three.npy", np.arange(3))
    with pytest.raises(SourceError, match=r"f\.npz' has 4 rows and '.*three\.npy' 3 labels"):
        index_of(
            {
                "source": "features",
                "path": str(tmp_path / "f.npz"),
                "labels": str(tmp_path / "three.npy"),
            },
            tmp_path / "i.parquet",
        )


def test_the_command_says_what_it_found_or_what_is_wrong(animals, tmp_path):
    params = {
        "benchmark": {"id_train": "train", "id_test": "test"},
        "datasets": {
            "train": str(animals),
            "test": {"path": str(animals), "include_classes": ["dog"]},
        },
        "index": {},
        "images": {},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))

    def command(dataset: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stages.index", dataset, f"data/{dataset}.parquet"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": "", "OOD_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
        )

    done = command("test")
    assert done.stdout.startswith("test: 3 images, 1 classes, 0 unreadable files left out"), done
    assert read_index(tmp_path / "data/test.parquet")["label"].to_list() == [2, 2, 2]
    failed = command("tset")
    assert failed.returncode == 1
    assert failed.stderr.strip() == "error: unknown dataset 'tset'; known: test, train"


@pytest.mark.real_data
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the photos in ../shared/data")
def test_a_small_cut_of_real_archives(tmp_path):
    """CIFAR-10's animals as ID, its vehicles and two photo sets as OOD, straight from zips."""
    cifar = PHOTOS / "cifar10/cifar10_test_10k_jpeg.zip"
    animals = ["bird", "cat", "deer", "dog", "frog", "horse"]
    sets = {
        "id": ({"path": str(cifar), "include_classes": animals, "max_per_class": 20}, 120, 6),
        "vehicles": ({"path": str(cifar), "exclude_classes": animals, "max_per_class": 20}, 80, 4),
        "textures": (
            {"path": str(PHOTOS / "dtd_textures/dtd_10classes_224.zip"), "max_per_class": 5},
            50,
            10,
        ),
        "characters": (
            {
                "path": str(PHOTOS / "mnist_omniglot/images_background_small1.zip"),
                "subfolder": "images_background_small1",
                "class_depth": 2,
                "max_per_class": 1,
            },
            None,
            None,
        ),
    }
    for name, (values, rows, classes) in sets.items():
        index = index_of(values, tmp_path / f"{name}.parquet")
        assert rows is None or len(index) == rows
        assert classes is None or index["label"].n_unique() == classes
    assert "Latin/character26" in index["class_name"]
