"""Class names: shipped lists, files, folders, and classes that bear one name."""

import json
from pathlib import Path

import pytest

from pipeline.language.class_names import LISTS, as_tokenized, class_names, equal_names
from pipeline.language.shipped import imagenet_wnids, wordnet_lemmas

METADATA = Path(__file__).parents[1] / "../shared/data/metadata"


def names_of(source):
    return list(LISTS[source]().values())


def test_the_old_list_has_three_equal_pairs():
    assert equal_names(names_of("imagenet1k_plp")) == {
        "crane": [134, 517],
        "maillot": [638, 639],
        "cardigan": [264, 474],
    }


def test_the_published_clean_list_has_two_equal_pairs():
    assert equal_names(names_of("imagenet1k_openai")) == {
        "missile": [657, 744],
        "sunglasses": [836, 837],
    }


def test_the_mended_list_differs_in_two_names_only():
    published, mended = names_of("imagenet1k_openai"), names_of("imagenet1k_clean")

    assert equal_names(mended) == {}
    changed = {
        i: new for i, (old, new) in enumerate(zip(published, mended, strict=True)) if old != new
    }
    assert changed == {744: "projectile", 837: "dark glasses"}


@pytest.mark.real_data
def test_the_shipped_lists_agree_with_published_metadata():
    path = METADATA / "imagenet1k_openai_names_templates.json"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    published = json.loads(path.read_text(encoding="utf-8"))

    assert names_of("imagenet1k_openai") == published["classnames"]
    assert list(imagenet_wnids()) == published["wnids"]
    first = [name.replace("_", " ").casefold() for name in published["index_names"]]
    ours = [name.casefold() for name in names_of("imagenet1k_plp")]
    differing = [(a, b) for a, b in zip(ours, first, strict=True) if a != b]
    assert len(differing) <= 10, differing


def test_every_wordnet_id_has_a_name():
    wnids = imagenet_wnids()

    assert len(wnids) == 1000
    assert list(wnids) == sorted(wnids)
    assert all(wordnet_lemmas()[wnid][0] for wnid in wnids)


def test_cifar_names():
    assert names_of("cifar10")[:2] == ["airplane", "automobile"]
    assert len(names_of("cifar10")) == 10
    plp, clean = names_of("cifar100_plp"), names_of("cifar100_clean")
    assert len(set(plp)) == 100
    assert plp == sorted(plp)
    assert (plp[1], clean[1]) == ("aquarium_fish", "aquarium fish")


def test_names_follow_the_folders_not_the_position():
    """A bank of two of the thousand classes, by their folders."""
    wnids = imagenet_wnids()

    assert class_names("imagenet1k_clean", [wnids[0], wnids[999]]) == ["tench", "toilet paper"]


def test_a_numbered_folder_is_a_place_in_a_keyed_list_whatever_the_order_of_the_folders():
    """Sorted as text, folder '10' is the third of a thousand; its name is that of class 10."""
    folders = sorted(str(number) for number in range(1000))
    names = dict(zip(folders, class_names("imagenet1k_clean", folders), strict=True))

    assert folders[2] == "10"
    assert (names["2"], names["10"]) == ("great white shark", "brambling")
    assert names == {str(i): name for i, name in enumerate(names_of("imagenet1k_clean"))}
    assert class_names("cifar10", ["09", "00"]) == ["truck", "airplane"]


def test_keys_that_are_numbers_are_the_numbers_of_the_folders():
    listed = {"2": "two", "0": "zero", 1: "one"}

    assert class_names(listed, ["0", "1", "2"]) == ["zero", "one", "two"]
    assert class_names(listed, ["000", "002"]) == ["zero", "two"]


def test_a_number_beyond_a_keyed_list_is_refused():
    with pytest.raises(ValueError, match="10 names, counted from 0; 1 of 10 .* among them: 10"):
        class_names("cifar10", [str(number) for number in range(1, 11)])


@pytest.mark.parametrize(
    ("source", "folders", "said"),
    [
        ("cifar10", ["Afghan_hound"] * 10, "10 of 10 class folders are none of its keys"),
        ({"Dog": "hound", "Cat": "cat"}, ["cat", "dog"], r"2 of 2 .*\(Dog, Cat\): cat, dog\. Add"),
        ({"dog": "hound", "Cat": "cat"}, ["cat", "dog"], r"1 of 2 .*: cat\."),
        ({"0": "a", "1": "b"}, ["0", "1", "2"], "no name for class '2'"),
        (["a", "b", "c"], ["0", "10", "2"], "numbers in the order of text .0, 10, 2.: which line"),
    ],
)
def test_a_list_is_never_laid_over_folders_it_does_not_name(source, folders, said):
    with pytest.raises(ValueError, match=said):
        class_names(source, folders)


def test_a_thousand_folders_named_by_words_do_not_become_the_thousand_names_in_order():
    folders = sorted(name.replace(" ", "_") for name in names_of("imagenet1k_openai"))

    with pytest.raises(ValueError, match="no name for class 'Affenpinscher': 1000 of 1000"):
        class_names("imagenet1k_clean", folders)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("n.tsv", "w1\tred fox\nw1\tred wolf\n", "key 'w1' twice, for 'red fox' and 'red wolf'"),
        ("n.json", '{"w1": "red fox", "w1": "red wolf"}', "key 'w1' twice, for 'red fox'"),
        ("n.tsv", "w1\tred fox\nw2 red wolf\n", "1 of 2 lines have none, .*'w2 red wolf'"),
        ("n.json", '{"0": ["n01", "red fox"]}', r"one name, as text, .* got \['n01', 'red fox'\]"),
        ("n.json", '"red fox"', "must hold a list of names or a mapping"),
        ("n.json", "red fox", r"n\.json' must be JSON"),
    ],
)
def test_a_users_file_that_says_two_things_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=said):
        class_names(str(tmp_path / name), ["w1", "w2"])


@pytest.mark.parametrize("gap", [" ", "\t", ", ", ": "])
def test_a_line_that_begins_with_a_wordnet_id_goes_by_it(gap, tmp_path):
    """Kaggle's LOC_synset_mapping.txt; the id used to stand in each prompt."""
    path = tmp_path / "LOC_synset_mapping.txt"
    path.write_text(f"n01440764{gap}tench, Tinca tinca\nn02012849{gap}crane\nn03126707{gap}crane\n")

    assert class_names(str(path), ["n03126707", "n01440764"]) == ["crane", "tench, Tinca tinca"]
    assert class_names(str(path), ["0", "2"]) == ["tench, Tinca tinca", "crane"]
    with pytest.raises(ValueError, match=r"none of its keys \(n01440764, .*\): cat, dog"):
        class_names(str(path), ["cat", "dog", "eel"])


def test_a_line_that_begins_with_a_number_goes_by_it(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("1 goldfish\n0 tench\n")

    assert class_names(str(path), ["0", "1"]) == ["tench", "goldfish"]


@pytest.mark.parametrize("text", ["n01440764\nn01443537\n", "n01440764 tench\ngoldfish\n"])
def test_a_wordnet_id_is_no_name(text, tmp_path):
    (tmp_path / "n.txt").write_text(text)

    with pytest.raises(ValueError, match="'n01440764.*' begins with a WordNet id.*id<TAB>name in"):
        class_names(str(tmp_path / "n.txt"), ["a", "b"])


def test_lines_that_begin_with_the_folders_are_not_guessed_to_be_keys_or_names(tmp_path):
    """By key the first would be a bird, by position a crane bird."""
    (tmp_path / "n.txt").write_text("crane bird\nseal animal\n")

    with pytest.raises(ValueError, match="first word of every line .* class folder.*a tab behind"):
        class_names(str(tmp_path / "n.txt"), ["crane", "seal"])
    assert class_names(str(tmp_path / "n.txt"), ["a", "b"]) == ["crane bird", "seal animal"]
    (tmp_path / "n.txt").write_text("crane\nseal\n")
    assert class_names(str(tmp_path / "n.txt"), ["crane", "seal"]) == ["crane", "seal"]


def test_a_list_by_position(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("# two\nblue whale\nred fox\n", encoding="utf-8")

    assert class_names(str(path), ["0", "1"]) == ["blue whale", "red fox"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.tsv", "w2\tred fox\nw1\tblue whale\n"),
        ("names.json", '{"w2": "red fox", "w1": "blue whale"}'),
        ("list.json", '["blue whale", "red fox"]'),
    ],
)
def test_a_users_file_in_each_form(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")

    assert class_names(str(path), ["w1", "w2"]) == ["blue whale", "red fox"]


def test_folder_names_lose_their_underscores_if_wanted():
    assert class_names(None, ["latin_a", "b"]) == ["latin a", "b"]
    assert class_names(None, ["latin_a", "b"], underscores_to_spaces=False) == ["latin_a", "b"]


def test_a_list_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="one name for each of the 3 ID classes, got 2"):
        class_names(["a", "b"], ["x", "y", "z"])


def test_a_folder_without_a_name_is_named():
    with pytest.raises(ValueError, match="no name for class 'n0'"):
        class_names("imagenet1k_plp", [imagenet_wnids()[0], "n0"])


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="empty name for class 1"):
        class_names(["a", " "], ["x", "y"])


def test_an_unknown_list_names_the_known_ones():
    with pytest.raises(
        ValueError, match="unknown class-name list 'imagenet'; known: imagenet1k_plp"
    ):
        class_names("imagenet", ["x", "y"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Red  fox", "red fox"),
        ("caf\u00e9", "cafe\u0301"),
        ("jack-o\u2019-lantern", "jack-o'-lantern"),
        ("A&amp;P", "a&p"),
    ],
)
def test_what_the_tokenizer_drops_does_not_tell_names_apart(one, other):
    from open_clip.tokenizer import tokenize

    assert equal_names([one, "cat", other]) == {as_tokenized(one): [0, 2]}
    first, second = tokenize([f"a photo of a {name}." for name in (one, other)])
    assert first.tolist() == second.tolist()


def test_what_the_tokenizer_keeps_tells_names_apart():
    """By lower case: ß is not ss to it, as it would be by casefold."""
    assert equal_names(["stra\u00dfe", "strasse", "straSSe2", "caf\u00e9", "cafe"]) == {}
