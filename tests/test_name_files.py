"""ImageNet's names in the files that go round: read for what they are, never taken for names."""

import pytest

from pipeline.indexing.readable_names import readable_names
from pipeline.language.class_names import class_names
from pipeline.language.name_files import read_names
from pipeline.sources import read_spec

FOLDERS = ["n01440764", "n01443537", "n02085620"]
NAMES = ["tench, Tinca tinca", "goldfish", "Chihuahua dog"]
PUBLISHED = {
    # imagenet1000_clsidx_to_labels.txt: a Python literal, by class number
    "labels.txt": "{0: 'tench, Tinca tinca',\n 1: \"goldfish\",\n 2: 'Chihuahua dog'}\n",
    "numbers.json": '{"0": "tench, Tinca tinca", "1": "goldfish", "2": "Chihuahua dog"}',
    # imagenet_class_index.json of Keras
    "keras.json": (
        '{"2": ["n02085620", "Chihuahua_dog"], "0": ["n01440764", "tench,_Tinca_tinca"], '
        '"1": ["n01443537", "goldfish"]}'
    ),
    "list.txt": "['tench, Tinca tinca', 'goldfish', 'Chihuahua dog']",
}


@pytest.mark.parametrize("file", PUBLISHED)
def test_published_files_give_each_class_its_name(file, tmp_path):
    (tmp_path / file).write_text(PUBLISHED[file], encoding="utf-8")
    told = str(tmp_path / file)
    spec = read_spec("mine", {"path": str(tmp_path), "class_names": told})

    assert class_names(told, FOLDERS) == NAMES
    named = readable_names(spec, FOLDERS, declared=None, own={}, dataset="mine")
    assert named == dict(zip(FOLDERS, NAMES, strict=True))


@pytest.mark.parametrize("gap", [" ", "\t", ","])
def test_an_id_a_number_and_a_name_go_by_the_id(gap, tmp_path):
    """map_clsloc.txt: the numbers are ILSVRC2012's, of another order; they stood in the names."""
    path = tmp_path / "map_clsloc.txt"
    path.write_text(f"n02119789{gap}1{gap}kit_fox\nn02100735{gap}7{gap}English_setter\n")
    spec = read_spec("mine", {"path": str(tmp_path), "class_names": str(path)})
    folders = ["n02100735", "n02119789"]

    assert class_names(str(path), folders) == ["English setter", "kit fox"]
    named = readable_names(spec, folders, declared=None, own={}, dataset="mine")
    assert named == {"n02100735": "English setter", "n02119789": "kit fox"}


def test_numbers_that_belong_to_the_names_stay_there(tmp_path):
    (tmp_path / "n.txt").write_text("n02119789 2 foxes\nn02100735 2 dogs\n")

    assert read_names(tmp_path / "n.txt") == {"n02119789": "2 foxes", "n02100735": "2 dogs"}


def test_numbers_other_than_those_of_the_classes_give_no_names(tmp_path):
    (tmp_path / "n.txt").write_text("{1: 'tench', 2: 'goldfish', 3: 'Chihuahua dog'}")

    with pytest.raises(ValueError, match=r"3 of 3 class folders are none of its keys \(1, 2, 3\)"):
        class_names(str(tmp_path / "n.txt"), FOLDERS)


@pytest.mark.parametrize(
    "text",
    [
        "0: 'tench',\n1: 'goldfish',\n",
        "names = [\n'tench',\n'goldfish']\n",
        "'tench'\n'goldfish'\n",
        "tench,\ngoldfish,\n",
        "- tench\n- goldfish\n",
    ],
)
def test_lines_of_a_program_are_no_names(text, tmp_path):
    (tmp_path / "n.txt").write_text(text)

    with pytest.raises(ValueError, match="looks like code, not like a name; write one name a line"):
        read_names(tmp_path / "n.txt")


def test_what_is_neither_json_nor_a_literal_is_refused_with_the_cure(tmp_path):
    (tmp_path / "n.txt").write_text("{0: tench,\n1: goldfish}")

    with pytest.raises(ValueError, match="JSON .* or a Python literal: .*; or write one name a li"):
        read_names(tmp_path / "n.txt")


def test_a_key_that_stands_twice_in_a_literal_is_refused(tmp_path):
    """Python itself would take the last."""
    (tmp_path / "n.txt").write_text("{0: 'tench', 0: 'goldfish'}")

    with pytest.raises(ValueError, match="the key '0' twice, for 'tench' and 'goldfish'"):
        read_names(tmp_path / "n.txt")


def test_names_with_brackets_and_marks_are_names(tmp_path):
    lines = ["crane (bird)", "jack-o'-lantern", "'80s radio", "St. Bernard", "men's room, WC"]
    (tmp_path / "n.txt").write_text("\n".join(lines))

    assert read_names(tmp_path / "n.txt") == lines
