"""Mappings of a user's file in which no key stands twice."""

from collections.abc import Iterable
from typing import Any


def unique_keys(pairs: Iterable[tuple[str, Any]], *, told_by: str) -> dict[str, Any]:
    """Return a mapping of pairs.

    Raises:
        ValueError: If a key stands twice; the last would win without a word.
    """
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(
                f"'{told_by}' has the key '{key}' twice, for {mapping[key]!r} and {value!r}; "
                "remove one"
            )
        mapping[key] = value
    return mapping
