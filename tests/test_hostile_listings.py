"""Listings that would never end: pipes among the files, and class numbers without bound."""

import os

import numpy as np
import pytest

from pipeline.datasets.images import ImageParams
from pipeline.indexing.inspection import inspect_file
from pipeline.sources import SourceError, open_source, read_spec
from pipeline.sources.listing import check_member, numbered_classes


def test_a_named_pipe_among_the_images_is_reported_not_waited_for(tmp_path):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a/1.png")
    (tmp_path / "a/2.png").symlink_to("/dev/zero")
    source = open_source(read_spec("mine", str(tmp_path)))

    for entry in source.entries():
        found = inspect_file(source, entry.path, hashed=True, verify=True, images=ImageParams())
        assert found[1] is not None
        assert "must be a regular file; remove the pipe" in found[1]


@pytest.mark.parametrize("number", ["1000000", "4000000000000", "9" * 5000])
def test_class_numbers_far_beyond_the_number_of_images_are_refused(number):
    with pytest.raises(SourceError, match="must be below 1,000,000, as 2 images .* from 0"):
        numbered_classes(["0", number])


def test_class_numbers_of_few_images_of_many_classes_are_kept():
    """By hand: one image of ImageNet-21k's last class is one of 21,841."""
    assert numbered_classes(["21840"]) == [str(number) for number in range(21_841)]
    assert numbered_classes(["3", "1", ""]) == ["0", "1", "2", "3"]
    assert numbered_classes(["010", "1"]) is None
    assert numbered_classes(["2", "-1", "0"]) == ["0", "1", "2"]  # -1 is an image of no class
    assert numbered_classes(["-1", "-1"]) is None


def test_a_list_with_such_a_label_is_refused(tmp_path):
    (tmp_path / "1.png").write_bytes(b"x")
    (tmp_path / "list.txt").write_text("1.png 4000000000000\n")
    entry = {"source": "list", "path": str(tmp_path / "list.txt"), "root": str(tmp_path)}

    with pytest.raises(SourceError, match="got 4000000000000"):
        open_source(read_spec("mine", entry)).entries()


def test_imported_labels_of_such_a_size_are_refused(tmp_path):
    np.savez(tmp_path / "f.npz", features=np.ones((2, 2), np.float32), labels=[0, 4 * 10**12])

    with pytest.raises(SourceError, match="got 4000000000000"):
        open_source(
            read_spec("mine", {"source": "features", "path": str(tmp_path / "f.npz")})
        ).entries()


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "..\\x", "a\\..\\x", "a/..\\x", "\\x"])
def test_a_path_that_climbs_out_is_refused_by_either_slash(path):
    with pytest.raises(SourceError, match="the list holds the path .* climbs out of its folder"):
        check_member(path, container="the list")


def test_dots_and_backslashes_that_are_part_of_a_name_are_kept():
    for path in ("a/..b/x", "a\\b", "...", "x.."):
        assert check_member(path, container="the list") == path
