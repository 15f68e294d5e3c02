"""Long lists in a message: no name is lost that is not counted."""

import pytest

from pipeline.name_lists import first_and_more


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, ""),
        (1, "0"),
        (3, "0, 1, 2"),
        (4, "0, 1, 2, and 1 more"),
        (1204, "0, 1, 2, and 1,201 more"),
    ],
)
def test_the_first_are_told_and_the_others_counted(count, told):
    assert first_and_more([str(number) for number in range(count)], shown=3) == told


def test_sentences_are_parted_by_what_suits_them():
    lines = first_and_more(["a: cut", "b: gone", "c: cut"], shown=2, between="\n  ")
    assert lines == "a: cut\n  b: gone\n  and 1 more"
