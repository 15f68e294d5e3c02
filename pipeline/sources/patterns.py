"""Files of a brace or wildcard pattern: ``train-{0000..0012}.tar``, ``*.tar``."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.sources.spec import SourceError

RULE = "a wildcard may stand in the name of a file, not of a folder"


def expand(pattern: str) -> list[Path]:
    """Files of a pattern, in order.

    Raises:
        SourceError: If a file of the brace range is missing, nothing matches, or two files have
            the same name, by which an index could not tell them apart.
    """
    files = list(_candidates(pattern))
    if not files:
        raise SourceError(f"no file matches '{pattern}'; {RULE}")
    if missing := [file for file in files if not file.exists()]:
        raise SourceError(
            f"{len(missing)} of {len(files)} shards of '{pattern}' are missing, the first is "
            f"'{missing[0]}'"
        )
    known: dict[str, Path] = {}
    for file in files:
        if file.name in known:
            raise SourceError(
                f"the files of '{pattern}' must have different names, as paths in the index begin "
                f"with them; '{known[file.name]}' and '{file}' have the same. Rename them, or put "
                "links with different names in one folder"
            )
        known[file.name] = file
    return files


def is_pattern(path: str) -> bool:
    """Whether a path may stand for several files; a file may be called so, too."""
    return any(sign in path for sign in "{*?[")


def matches(pattern: str) -> bool:
    """Whether any file of a pattern is there."""
    return any(file.exists() for file in _candidates(pattern))


def _candidates(pattern: str) -> Iterator[Path]:
    """The file itself, all of a brace range whether there or not, or those of a wildcard."""
    if (path := Path(pattern)).exists():
        yield path
        return
    braces = re.findall(r"\{(\d+)\.\.(\d+)\}", pattern)
    if len(braces) > 1 or any(int(last) < int(first) for first, last in braces):
        raise SourceError(
            f"'{pattern}' must have at most one range in braces, and that counts up; write a "
            "wildcard instead, such as *.tar, or put links to the files in one folder"
        )
    if braces:
        first, last = braces[0]
        for number in range(int(first), int(last) + 1):
            yield Path(pattern.replace(f"{{{first}..{last}}}", str(number).zfill(len(first))))
    elif is_pattern(path.name):
        yield from sorted(path.parent.glob(path.name))
