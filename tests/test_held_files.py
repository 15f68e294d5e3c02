"""What looks whole: told by a size or one listing, never by opening or walking."""

import os
from pathlib import Path

import pytest

from pipeline.fetching.held_files import Need, lacking, unpacked_beside


def folder(place: Path, *names: str) -> Path:
    """A folder of empty files; a name that ends in a slash is a folder."""
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_bytes(b"x")
    return place


@pytest.mark.parametrize(
    ("held", "size", "said"),
    [
        (0, None, "is empty"),
        (0, 100, "is empty"),
        (89, 100, "holds 89 of 100 bytes"),
        (90, 100, None),
        (200, 100, None),
        (1, None, None),
    ],
)
def test_a_file_is_short_below_nine_tenths_of_what_is_stated(tmp_path, held, size, said):
    """A stated size may be rounded, or of another packing of the same images."""
    (tmp_path / "a.tar").write_bytes(bytes(held))
    assert lacking(tmp_path / "a.tar", size=size) == said


@pytest.mark.parametrize(
    ("names", "need", "said"),
    [
        ((), Need(), "is an empty folder"),
        (("a.jpg",), Need(), None),
        (("1.jpg", "2.jpg"), Need(classes=3), "holds 0 class folders, 3 are stated"),
        (("a/", "b/", "__MACOSX/", ".x/", "c"), Need(classes=3), "holds 2 class folders, 3 are"),
        (("a/", "b/", "c/", "d/", "README"), Need(classes=3), None),
        (("a/", "b/"), Need(frozenset("abc")), "lacks 1 of 3: c"),
        (("e/",), Need(frozenset("abcd")), "lacks 4 of 4: a, b, c, …"),
        (("in/a", "in/b"), Need(frozenset({"in/a", "in/b"})), None),
        (("in/a",), Need(frozenset({"in/a", "in/b", "of/c"})), "lacks 2 of 3: in/b, of/c"),
    ],
)
def test_a_folder_has_to_hold_its_class_folders_or_names(tmp_path, names, need, said):
    found = lacking(folder(tmp_path / "set", *names), need)
    assert found is None if said is None else str(found).startswith(said)


def test_links_count_as_what_the_first_of_them_leads_to(tmp_path):
    """Class folders may be links to another disk; so may the images of a flat folder."""
    folder(tmp_path, "images/", "a.jpg", "tree/", "flat/")
    for number in range(3):
        (tmp_path / f"tree/{number}").symlink_to(tmp_path / "images")
        (tmp_path / f"flat/{number}").symlink_to(tmp_path / "a.jpg")
    assert lacking(tmp_path / "tree", Need(classes=3)) is None
    assert lacking(tmp_path / "flat", Need(classes=3)) == "holds 0 class folders, 3 are stated"


def test_one_listing_is_all_that_a_folder_costs(tmp_path, monkeypatch):
    """On a network disk, a walk through ImageNet takes minutes."""
    place = folder(tmp_path / "set", *(f"{number}/a.jpg" for number in range(50)))
    listed, scandir = [], os.scandir

    def counted(path):
        listed.append(Path(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert lacking(place, Need(classes=50)) is None
    assert listed == [place]


def test_of_a_flat_folder_only_the_first_entries_are_listed(tmp_path):
    place = folder(tmp_path / "set", *(f"{number}.jpg" for number in range(1010)))
    said = "holds 0 class folders among 1,004 entries, 2 are stated"
    assert lacking(place, Need(classes=2)) == said


@pytest.mark.parametrize(
    ("entry", "need"),
    [
        ("photos", Need(classes=9)),
        ({"path": "photos"}, Need(classes=9)),
        ({"include_classes": ["b", "a"]}, Need(frozenset("ab"))),
        ({"include_classes": ["a"], "classes": False}, Need(frozenset("a"))),
        ({"exclude_classes": ["a"]}, Need()),
        ({"classes": False}, Need()),
        ({"class_depth": 2}, Need()),
        ({"labels": "truth.txt", "include_classes": ["a"]}, Need()),
    ],
)
def test_class_folders_are_asked_for_where_they_are_the_classes(entry, need):
    assert Need.of(entry, 9) == need


@pytest.mark.parametrize(
    ("archive", "inside", "there"),
    [
        ("iNaturalist.tar.gz", "iNaturalist/images", "iNaturalist/images/a.jpg"),
        ("dtd-r1.0.1.tar.gz", "dtd/images", "dtd/images/a/b.jpg"),
        ("dtd-r1.0.1.tar.gz", "dtd/images", "dtd-r1.0.1/dtd/images/a/b.jpg"),
        ("places365/val_256.tar", "val_256", "places365/val_256/a.jpg"),
        ("ssb_hard.zip", "", "ssb_hard/a/b.jpg"),
    ],
)
def test_an_archive_may_lie_unpacked_beside_its_place(tmp_path, archive, inside, there):
    assert unpacked_beside(tmp_path / archive, [inside]) is None
    folder(tmp_path, there)
    found = unpacked_beside(tmp_path / archive, [inside])
    assert found == (tmp_path / archive).parent / there.split("/")[archive.count("/")]


def test_a_folder_that_lacks_what_is_read_is_not_the_archive(tmp_path):
    """Of another set of that name, or empty; nor has any other file a folder of its own name."""
    folder(tmp_path, "SUN/photos/a.jpg", "Places/images/", "mine.mat/a", "cifar-10-batches-py/x")
    assert unpacked_beside(tmp_path / "SUN.tar.gz", ["SUN/images"]) is None
    assert unpacked_beside(tmp_path / "Places.tar.gz", ["Places/images"]) is None
    assert unpacked_beside(tmp_path / "mine.mat", []) is None
    cifar = tmp_path / "cifar-10-python.tar.gz"
    assert unpacked_beside(cifar, [""]) is None
    assert unpacked_beside(cifar, [""], "cifar-10-batches-py") == tmp_path / "cifar-10-batches-py"
