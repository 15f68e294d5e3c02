"""A labels file tells the class of each file, or is refused where it could be another's."""

from pathlib import Path

import pytest

from pipeline.sources import SourceError
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
