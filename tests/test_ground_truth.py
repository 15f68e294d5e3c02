"""A labels file tells the class of each file, or is refused where it could be another's."""

import zipfile
from pathlib import Path

import pytest
from archives import write_tar

from pipeline.sources import SourceError, open_source, read_spec
from pipeline.sources.ground_truth import told_classes


def classes(tmp_path: Path, paths: list[str], text: str) -> list[str]:
    (tmp_path / "truth.txt").write_text(text)
    return [entry.class_key for entry in told_classes(paths, tmp_path / "truth.txt")]


def test_equal_names_in_two_folders_go_by_their_paths(tmp_path):
    """By hand: the last line of a name used to win, and both were dogs."""
    lines = "y/1.png dog\n./x/1.png cat\n"

    assert classes(tmp_path, ["x/1.png", "y/1.png"], lines) == ["cat", "dog"]


@pytest.mark.parametrize("line", ["x/1.png", "1.png", "1", "x/1", "images/1.jpg", "images/x/1.png"])
def test_path_name_and_stem_all_find_a_file_of_a_name_of_its_own(line, tmp_path):
    assert classes(tmp_path, ["x/1.png", "x/2.png"], f"{line} a\n2.png b\n") == ["a", "b"]


def test_a_dot_in_a_name_is_no_suffix(tmp_path):
    assert classes(tmp_path, ["1.5.png", "1.png"], "1.5 b\n1 a\n") == ["b", "a"]


def test_a_stricter_match_takes_its_line_from_a_looser_one(tmp_path):
    assert classes(tmp_path, ["1.jpg", "1.png"], "1.png a\n1.jpg b\n") == ["b", "a"]
    with pytest.raises(SourceError, match=r"no line for 1 of 2 images, the first is 'y/1\.png'"):
        classes(tmp_path, ["x/1.png", "y/1.png"], "x/1.png cat\n")


@pytest.mark.parametrize(
    ("paths", "lines", "message"),
    [
        (["x/1.png", "y/1.png"], "1.png cat\n", r"files 'x/1\.png', 'y/1\.png' .* '1\.png cat'"),
        (["1.png"], "x/1.png cat\ny/1.png dog\n", r"lines 'x/1\.png cat', 'y/1\.png dog' share"),
        (["1.jpg", "1.png"], "1 cat\n", r"share the name '1'. Give the paths"),
        (["1.png"], "1.png cat\n1.png dog\n", r"'1\.png' twice, with the classes 'cat' and 'dog'"),
        (["1.png"], "1.png cat\n./1.png cat\n", r"'1\.png' twice"),
        (["1.png"], "1.png gold fish\n", r"one word as class, got 'gold fish' for '1\.png'"),
        (["1.png"], "1.png bison bison\n", r"one word as class, got 'bison bison' for '1\.png'"),
        (["1.png"], "1.png a 1 2 b 3 4\n", r"one class an image, got 'a' and 'b' for '1\.png'"),
    ],
)
def test_a_line_that_could_be_anothers_is_refused(paths, lines, message, tmp_path):
    with pytest.raises(SourceError, match=message):
        classes(tmp_path, paths, lines)


def test_numbers_behind_a_class_are_boxes(tmp_path):
    lines = "ImageId,PredictionString\nv_1,n01 1 2 3.5 -4\n"

    assert classes(tmp_path, ["v_1.JPEG"], lines) == ["n01"]


def test_kaggle_repeats_the_class_before_the_box_of_each_object(tmp_path):
    """A line of LOC_val_solution.csv as it is published."""
    lines = "ImageId,PredictionString\nv_1,n03126707 85 1 499 272 n03126707 5 5 5 5 \n"

    assert classes(tmp_path, ["v_1.JPEG"], lines) == ["n03126707"]


def test_one_class_a_line_is_refused_where_text_and_numbers_differ_in_order(tmp_path):
    """By hand: as text val_10 comes before val_2, and the second line would be its class."""
    paths = ["val_1.png", "val_10.png", "val_2.png"]

    with pytest.raises(SourceError, match=r"'val_10\.png' comes before 'val_2\.png'.*name cl"):
        classes(tmp_path, paths, "a\nb\nc\n")
    assert classes(tmp_path, paths, "val_1 a\nval_2 b\nval_10 c\n") == ["a", "c", "b"]


def test_one_class_a_line_is_taken_where_both_orders_agree(tmp_path):
    assert classes(tmp_path, ["v_01.png", "v_02.png", "v_10.png"], "a\nb\nc\n") == ["a", "b", "c"]
    assert classes(tmp_path, ["B.png", "a.png", "x/1.png"], "a\nb\nc\n") == ["a", "b", "c"]


FLAT = {f"ILSVRC2012_val_{number:08d}.JPEG": b"%d" % number for number in (1, 2, 3)}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.mark.parametrize("lines", ["7\n0\n7\n", "ILSVRC2012_val_00000002 0\nv 1\n*1,7\n*3,7\n"])
@pytest.mark.parametrize(
    ("write", "name"), [(write_tar, "val.tar"), (write_zip, "val.zip"), (write_folder, "val")]
)
def test_a_flat_archive_takes_its_classes_from_a_file_as_a_folder_does(
    write, name, lines, tmp_path
):
    path = write(tmp_path / name, {f"val/{file}": data for file, data in FLAT.items()})
    (tmp_path / "truth.txt").write_text(lines.replace("*", "ILSVRC2012_val_0000000"))
    entry = {"path": str(path), "subfolder": "val", "labels": str(tmp_path / "truth.txt")}

    source = open_source(read_spec("mine", entry))

    assert [tuple(one) for one in source.entries()] == list(zip(FLAT, "707", strict=True))
    (tmp_path / "truth.txt").unlink()  # nothing is read a second time for the order
    assert source.class_order() == [str(number) for number in range(8)]
    assert source.read("ILSVRC2012_val_00000002.JPEG") == b"2"


def test_a_file_tells_the_classes_of_several_shards(tmp_path):
    """It goes before the .cls beside an image, as it goes before class directories."""
    for number in range(2):
        write_tar(tmp_path / f"x{number}.tar", {f"{number}.png": b"1", f"{number}.cls": b"9"})
    (tmp_path / "truth.txt").write_text("1.png a\nx0.tar::0.png b\n")
    entry = {"path": str(tmp_path / "x{0..1}.tar"), "labels": str(tmp_path / "truth.txt")}

    source = open_source(read_spec("mine", {"source": "tar", **entry}))

    assert [entry.class_key for entry in source.entries()] == ["b", "a"]
    assert source.class_order() is None


def test_the_depth_of_classes_that_a_file_tells_is_refused(tmp_path):
    entry = {"path": "val.zip", "labels": "truth.txt", "class_depth": 2}

    with pytest.raises(SourceError, match="but the classes are told by 'datasets.mine.labels'"):
        read_spec("mine", entry)
