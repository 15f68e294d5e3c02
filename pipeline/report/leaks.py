"""Test images that stand in the bank too: what a reader must see beside the headline.

An ID test image in the bank is its own nearest neighbour, and an OOD image there is taken for ID.
Both move every number of its set, and no interval knows of it.
"""

from typing import NamedTuple

from pipeline.report.records import Records

EXACT = "Warning: images that stand in the bank too"
NEAR = "Look-alikes in the bank (cosine of at least {threshold:g})"


class Leaks(NamedTuple):
    """One line each on images that are, or nearly are, images of the bank; empty without any."""

    copies: str
    look_alikes: str


def leak_lines(records: Records) -> tuple[str, ...]:
    """The lines of `leaks` that say something."""
    return tuple(filter(None, leaks(records)))


def leaks(records: Records) -> Leaks:
    """Count exact and near copies by set.

    They speak of the sets whose duplicate reports are quoted (`report.duplicates`).
    """
    exact: dict[str, str] = {}
    near: dict[str, str] = {}
    threshold = 1.0
    for record in records.duplicates.values():
        sets = record["sets"]
        for key, overlap in record["overlaps"].items():
            name, _, other = key.partition(" in ")
            if sets[other]["role"] != "ID train" or sets[name]["role"] == "ID train":
                continue
            of = f"of {sets[name]['images']:,} of {name} ({sets[name]['role']})"
            same, alike = overlap["exact"] or 0, overlap["near"] or 0
            if same:
                exact[name] = f"{same:,} {of}"
            if alike > same:  # near copies count the exact ones too
                near[name] = f"{alike - same:,} {of}"
                threshold = record["threshold"]
    return Leaks(_told(EXACT, exact), _told(NEAR.format(threshold=threshold), near))


def _told(what: str, found: dict[str, str]) -> str:
    return f"{what}: {', '.join(found.values())}. See Notes." if found else ""
