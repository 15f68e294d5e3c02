"""Files of class names: one name a line, or a name for each key, where no key stands twice."""

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from pipeline.language.text_file import read_text

# What no name begins with: a WordNet id or a number, as in Kaggle's LOC_synset_mapping.txt.
_ID = re.compile(r"n\d{8}\b")
_KEYED = re.compile(r"(n\d{8}|\d+)[\s,:]+(\S.*)")


def read_names(path: Path, *, folders: Collection[str] = ()) -> dict[str, str] | list[str]:
    """Read a list of names, or a mapping from keys to names.

    Args:
        path: JSON, a list or a mapping; or text, one name a line or ``key<TAB>name`` lines. Where
            every line begins with a WordNet id or a number, those are keys without a tab too.
        folders: The class folders that the names are for.

    Raises:
        ValueError: If the file is of another form, a key stands twice in it, or it is not certain
            whether its lines begin with keys.
    """
    if path.suffix == ".json":
        return read_json_names(path)
    lines = text_lines(path)
    without = [line for line in lines if "\t" not in line]
    if len(without) == len(lines):
        keyed = [(match[1], match[2]) for match in map(_KEYED.fullmatch, lines) if match]
        if lines and len(keyed) == len(lines):
            return unique_keys(keyed, told_by=str(path))
        _check_no_keys(path, lines, folders)
        return lines
    if without:
        raise ValueError(
            f"'{path}' must have folder, tab and name in every line, or a tab in none; "
            f"{len(without)} of {len(lines)} lines have none, the first is {without[0]!r}"
        )
    pairs = (line.partition("\t") for line in lines)
    return unique_keys(((key.strip(), name.strip()) for key, _, name in pairs), told_by=str(path))


def _check_no_keys(path: Path, lines: list[str], folders: Collection[str]) -> None:
    if marked := next((line for line in lines if _ID.match(line)), None):
        raise ValueError(
            f"{marked!r} in '{path}' begins with a WordNet id, which is no name; give "
            "id<TAB>name in every line, or names alone"
        )
    words = [line.split() for line in lines]
    if lines and all(len(parts) > 1 and parts[0] in folders for parts in words):
        raise ValueError(
            f"the first word of every line of '{path}' is a class folder: is it a key, or part of "
            f"the name? Put a tab behind the key, as in {words[0][0]!r}<TAB>name"
        )


def read_json_names(path: Path) -> dict[str, str] | list[str]:
    """Read a JSON list of names, or a JSON mapping from keys to names.

    Raises:
        ValueError: If it is neither, a name is no text, or a key stands twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return unique_keys(pairs, told_by=str(path))

    try:
        values = json.loads(read_text(path), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"'{path}' must be JSON ({error})") from error
    if not isinstance(values, dict | list):
        raise ValueError(f"'{path}' must hold a list of names or a mapping, got {values!r}")
    for value in values.values() if isinstance(values, dict) else values:
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError(f"'{path}' must hold one name, as text, for each class; got {value!r}")
    if isinstance(values, dict):
        return {key: str(value) for key, value in values.items()}
    return [str(value) for value in values]


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


def text_lines(path: Path) -> list[str]:
    """Return the lines of a text file without blanks and # comments."""
    lines = [line.strip() for line in read_text(path).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
