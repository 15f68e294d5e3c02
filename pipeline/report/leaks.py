"""Test images that stand in the bank too: what a reader must see beside the headline.

An ID test image in the bank is its own nearest neighbour, and an OOD image there is taken for ID.
Both move every number of its set, and no interval knows of it.
"""

from pipeline.report.records import Records

EXACT = "Warning: images that stand in the bank too"
NEAR = "Look-alikes in the bank (cosine of at least {threshold:g})"


def leak_lines(records: Records) -> tuple[str, ...]:
    """What `copies` and `look_alikes` say, each only where there is something to say."""
    return tuple(filter(None, (copies(records), look_alikes(records))))


def copies(records: Records) -> str:
    """One line on images of other sets that stand in the bank; empty where there are none."""
    return _told(EXACT, _found(records)[0])


def look_alikes(records: Records) -> str:
    """One line on images that are nearly images of the bank; empty where there are none."""
    _, near, threshold = _found(records)
    return _told(NEAR.format(threshold=threshold), near)


def _found(records: Records) -> tuple[dict[str, str], dict[str, str], float]:
    """Counts of exact and near copies in words by set, and the cosine that counts as near.

    They speak of the sets whose duplicate reports are quoted (`report.duplicates`).
    """
    exact: dict[str, str] = {}
    near: dict[str, str] = {}
    threshold = 1.0
    for record in records.duplicates.values():
        sets = record.get("sets", {})
        for key, overlap in record.get("overlaps", {}).items():
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
    return exact, near, threshold


def _told(what: str, found: dict[str, str]) -> str:
    return f"{what}: {', '.join(found.values())}. See Notes." if found else ""
