"""Files of class names: one name a line, or a name for each key, where no key stands twice."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from pipeline.language.name_values import WORDNET_ID, are_values, named_values
from pipeline.language.text_file import read_text
from pipeline.language.unique_keys import unique_keys

# A WordNet id or a number, with which no name begins, as in Kaggle's LOC_synset_mapping.txt.
_KEYED = re.compile(r"(n\d{8}|\d+)[\s,:]+(\S.*)")
# A WordNet id, ILSVRC2012's own number and a name, as in map_clsloc.txt of its development kit.
_NUMBERED = re.compile(r"(n\d{8})[\s,]+(\d+)[\s,]+([^\s,]+)")
# What ends or encloses values of a program, YAML or JSON; "crane (bird)" is a name.
_CODE = re.compile(r"[\[{].*|- .*|.*[\[{\]},]|(['\"]).*\1")


def read_names(path: Path, *, folders: Collection[str] = ()) -> dict[str, str] | list[str]:
    """Read a list of names, or a mapping from keys to names.

    Args:
        path: JSON or a Python literal, a list or a mapping; or text, one name a line or
            ``key<TAB>name`` lines. Where every line begins with a WordNet id or a number, those are
            keys without a tab too; of an id, a number and a name, the id is the key.
        folders: The class folders that the names are for.

    Raises:
        ValueError: If the file is of another form, a key stands twice in it, a name looks like
            code, or it is not certain whether its lines begin with keys.
    """
    text = read_text(path)
    if path.suffix == ".json" or are_values(text):
        return named_values(text, told_by=str(path))
    lines = _kept(text)
    without = [line for line in lines if "\t" not in line]
    if published := wordnet_names(lines, told_by=str(path)):
        return published
    if len(without) == len(lines):
        keyed = [(match[1], match[2]) for match in map(_KEYED.fullmatch, lines) if match]
        if lines and len(keyed) == len(lines):
            check_no_code([name for _, name in keyed], told_by=str(path))
            return unique_keys(keyed, told_by=str(path))
        _check_no_keys(path, lines, folders)
        check_no_code(lines, told_by=str(path))
        return lines
    if without:
        raise ValueError(
            f"'{path}' must have folder, tab and name in every line, or a tab in none; "
            f"{len(without)} of {len(lines)} lines have none, the first is {without[0]!r}"
        )
    pairs = (line.partition("\t") for line in lines)
    return unique_keys(((key.strip(), name.strip()) for key, _, name in pairs), told_by=str(path))


def wordnet_names(lines: Sequence[str], *, told_by: str) -> dict[str, str] | None:
    """Names by WordNet id of "id number name" lines, underscores as spaces; None of other lines.

    The numbers are ILSVRC2012's own, no places in the sorted ids.

    Raises:
        ValueError: If an id stands twice.
    """
    found = [match for match in map(_NUMBERED.fullmatch, lines) if match]
    if not lines or len(found) < len(lines):
        return None
    if len({match[2] for match in found}) < len(lines):
        return None  # the numbers belong to the names
    return unique_keys(((match[1], match[3].replace("_", " ")) for match in found), told_by=told_by)


def check_no_code(names: Sequence[str], *, told_by: str) -> None:
    """Refuse names that look like values of a program, which would stand so in every prompt.

    Raises:
        ValueError: Names the first.
    """
    if found := next((name for name in names if _CODE.fullmatch(name)), None):
        raise ValueError(
            f"{found!r} in '{told_by}' looks like code, not like a name; write one name a line "
            "without quotes and commas, or the whole file as JSON: a list of names, or a mapping "
            "from classes to names"
        )


def _check_no_keys(path: Path, lines: list[str], folders: Collection[str]) -> None:
    if marked := next((line for line in lines if re.match(WORDNET_ID.pattern + r"\b", line)), None):
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


def text_lines(path: Path) -> list[str]:
    """Return the lines of a text file without blanks and # comments."""
    return _kept(read_text(path))


def _kept(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
