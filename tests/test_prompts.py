"""Prompt sets by name and by file."""

import json
from pathlib import Path

import pytest

from pipeline.language.prompts import fill, prompt_set

METADATA = Path(__file__).parents[1] / "../shared/data/metadata"


def test_the_five_of_the_paper():
    prompts = prompt_set("plp5")

    assert len(prompts) == 5
    assert fill(prompts, "crane") == [
        "a photo of a crane.",
        "a blurry photo of a crane.",
        "a photo of many crane.",
        "a photo of the large crane.",
        "a photo of the small crane.",
    ]


def test_single_has_no_full_stop():
    assert fill(prompt_set("single"), "cat") == ["a photo of a cat"]


def test_eighty_different_sentences_all_take_a_name():
    prompts = prompt_set("openai80")

    assert len(set(prompts)) == 80
    assert all(prompt.count("{c}") == 1 for prompt in prompts)


@pytest.mark.real_data
def test_eighty_agree_with_the_published_list():
    path = METADATA / "imagenet1k_openai_names_templates.json"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    published = json.loads(path.read_text(encoding="utf-8"))["templates_80"]

    assert [prompt.replace("{c}", "{}") for prompt in prompt_set("openai80")] == published


def test_a_users_file(tmp_path):
    """Blank lines and comments are left out; braces in a class name do no harm."""
    path = tmp_path / "mine.txt"
    path.write_text("# mine\n\nan X-ray of {}.\na scan of {c}\n", encoding="utf-8")

    assert fill(prompt_set(str(path)), "{0}") == ["an X-ray of {0}.", "a scan of {0}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a photo\n", r"line 1 .* must hold \{c\}"),
        ("# mine\n\na {}.\nphoto\n", r"line 4 .*, got 'photo'"),
        ("# none\n", "holds no sentence"),
        ("# mine\na {}.\nthe {}.\na {c}.\n", r"'a \{c\}\.' in lines 2 and 4; .* count twice"),
    ],
)
def test_a_file_that_cannot_be_meant_so_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=message):
        prompt_set(str(path))


def test_an_unknown_set_lists_the_known_ones():
    with pytest.raises(
        ValueError, match="unknown prompt set 'plp6'; known: openai80, plp5, single"
    ):
        prompt_set("plp6")
