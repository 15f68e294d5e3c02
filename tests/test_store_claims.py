"""A run claims the store it writes, wherever that lies; the latest claim holds."""

import os
from pathlib import Path

import pytest

from pipeline.extraction.locks import Claim, claim

FOLDERS = [
    "a folder/with, a comma %2F and a percent",
    "/".join(["проект-с-длинным-именем-по-русски"] * 5),  # 63 bytes a part: 255 hold no path of it
    "/".join(["a" * 60] * 6),
    os.fsdecode(b"not-utf-8-\xff"),
]


@pytest.mark.parametrize("folder", FOLDERS, ids=range(len(FOLDERS)))
def test_a_store_below_any_path_is_claimed(tmp_path, folder):
    """A name of 200 letters was cut from the path; letters of two bytes did not fit the disk."""
    notes, output = tmp_path / "claims", tmp_path / folder / "id_train.zarr"

    with claim(notes, output) as first:
        assert first.held()
        with claim(notes, Path(f"{output}/../id_train.zarr")) as later:
            assert later.held()
            assert not first.held()

    assert list(notes.iterdir()) == []


def test_long_paths_of_equal_ends_are_claims_of_their_own(tmp_path):
    end = "/".join(["x" * 60] * 4)
    first, second = (
        Claim(tmp_path / "claims", tmp_path / project / end / "d.zarr") for project in "ab"
    )

    assert first.held()
    assert second.held()


def test_a_note_says_for_people_what_it_claims(tmp_path):
    claimed = Claim(tmp_path, tmp_path / "d.zarr")

    assert str(tmp_path / "d.zarr") in claimed.note.read_text(encoding="utf-8")
