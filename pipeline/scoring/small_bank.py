"""Neighbours that a small bank has not: of a list of k those it has are scored."""

from collections.abc import Mapping
from typing import Any

from pipeline.detectors.bank import Sample
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.search import Search
from pipeline.scores import NEEDS, SCORES, asked_neighbours
from pipeline.scores.parameters import defaults


def within_bank(
    search: Search, name: str, entry: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, dict[str, str]]:
    """Return what of an entry of ``methods`` the bank is large enough for, and why not the rest.

    A list of k is a scan of one method, whose usual values a bank of a few images has not: the
    deeper ones are not applicable. So is a number of guides (`pipeline.scores.needs`). A single k
    of the nearest is what was asked for, and an error.

    Args:
        search: Of the queries in the bank.
        name: Of the entry.
        entry: ``score`` and parameters, checked by `pipeline.scores.check_methods`.

    Returns:
        The entry, without the k that are too large, or None; and for each name in the tables that
        is left out the reason.

    Raises:
        ValueError: If a score of the nearest has no k that the bank has; names it, its value and
            the cure.
    """
    asked = asked_neighbours(entry)
    if not asked or (asked == [1] and search.own_rows is None):
        return entry, {}  # every sample has a row
    every = defaults(SCORES[entry["score"]]) | dict(entry)
    drawn = {key: every[key] for key in ("alpha", "balanced", "seed") if key in every}
    try:
        spare = _spare(search, Sample(**drawn))
    except NotApplicableError:  # the score says so itself
        return entry, {}
    fit = [k for k in asked if k <= spare]
    if fit == asked:
        return entry, {}
    scan = isinstance(every["k"], list)
    if scan:
        cure = f"-S 'methods.{name}.k=[{','.join(map(str, fit or [spare]))}]'"
    else:
        cure = f"-S methods.{name}.k={spare}"
    reasons = {
        k: f"k must be between 1 and the {spare} bank features to compare with, got {k}; choose a "
        f"smaller k, as by {cure}, or a larger bank"
        for k in asked
        if k > spare
    }
    if not fit and NEEDS[entry["score"]].neighbours == "nearest":
        raise ValueError(f"methods.{name}.{next(iter(reasons.values()))}")
    left_out = {f"{name}_{k}" if scan else name: reason for k, reason in reasons.items()}
    return {**entry, "k": fit} if fit else None, left_out


def _spare(search: Search, sample: Sample) -> int:
    """How many rows of a sample each query can be compared with."""
    if sample.whole:
        return search.others
    return len(search.bank.rows(sample)) - (search.own_rows is not None)
