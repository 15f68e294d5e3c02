"""What the search for duplicates found, as the record of a report and the warnings in it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.duplicates.search import NO_FILES, ImageSetRows, Overlap


def warnings(overlaps: Sequence[Overlap], sets: Mapping[str, ImageSetRows]) -> list[str]:
    """What a reader of results must know: test or OOD images in the bank, then the rest.

    Last comes what was not searched, so that no duplicates found is never read into it.
    """
    leaks, copies = [], []
    for overlap in overlaps:
        one, other = sets[overlap.name], sets[overlap.other]
        if overlap.name == overlap.other:
            if overlap.exact:
                of = f"of {one.name}"
                copies.append(f"{_images(overlap.exact, of)} the same as others of the set")
            continue
        of = f"of {one.name} ({one.role})"
        if overlap.exact:
            what = f"{_images(overlap.exact, of)} also in {other.name}"
            if other.role == "ID train":
                leaks.append(f"{what}, the bank: nearest-neighbour scores of such mean nothing")
            else:
                copies.append(f"{what} ({other.role})")
        if overlap.near is not None and (further := overlap.near - (overlap.exact or 0)) > 0:
            where = "the bank " if other.role == "ID train" else ""
            what = _images(further, of, more="further " if overlap.exact else "")
            shown = "; look at the pictures" if one.files and other.files else ""
            copies.append(f"{what} nearly the same as in {where}{other.name}{shown}")
    gone = [
        f"unreadable files of {one.name} that are left out: {one.excluded}"
        for one in sets.values()
        if one.excluded
    ]
    return leaks + copies + gone + _unsearched(overlaps, sets)


def _images(count: int, of: str, *, more: str = "") -> str:
    """As ``1 image of test is`` or ``3 further images of test are``."""
    return f"{count} {more}image {of} is" if count == 1 else f"{count} {more}images {of} are"


def _unsearched(overlaps: Iterable[Overlap], sets: Mapping[str, ImageSetRows]) -> list[str]:
    """Where no copies were found because none were looked for."""
    said = []
    if not all(one.files for one in sets.values()):  # once, and for every report in the same words
        said.append(f"{NO_FILES}, so that no equal ones were looked for")
    for overlap in overlaps:
        files = sets[overlap.name].files and sets[overlap.other].files
        missing = ["equal files"] if overlap.exact is None and files else []
        missing += ["near copies"] if overlap.near is None else []
        if missing:
            where = "itself" if overlap.name == overlap.other else overlap.other
            said.append(
                f"{overlap.name} was not searched for {' and '.join(missing)} in {where}: "
                f"{overlap.reason}"
            )
    return said


def as_record(
    overlaps: list[Overlap], sets: Mapping[str, ImageSetRows], *, threshold: float
) -> dict[str, Any]:
    """The report as JSON values, in the order of the sets."""

    def path(name: str, row: int) -> str:
        return sets[name].index["path"][row]

    return {
        "threshold": threshold,
        "sets": {
            one.name: {"role": one.role, "images": len(one.index), "unreadable": one.excluded}
            | ({} if one.files else {"files": False})
            for one in sets.values()
        },
        "overlaps": {
            f"{overlap.name} in {overlap.other}": {
                "exact": overlap.exact,
                "near": overlap.near,
                "reason": overlap.reason,
                "pairs": [
                    {
                        "image": path(overlap.name, pair.row),
                        "other": path(overlap.other, pair.other_row),
                        "cosine": round(pair.cosine, 4),
                        "exact": pair.exact,
                    }
                    for pair in overlap.pairs
                ],
            }
            for overlap in overlaps
        },
        "warnings": warnings(overlaps, sets),
    }
