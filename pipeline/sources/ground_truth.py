"""Classes of images without class directories, told by a file beside them."""

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.language.text_file import read_text
from pipeline.name_lists import first_and_more
from pipeline.sources.listing import Entry, class_of, numbered_classes
from pipeline.sources.natural_order import by_number
from pipeline.sources.spec import SourceError


class Told(NamedTuple):
    """A line of the file: whose class it tells, and the words after the name."""

    key: str
    words: tuple[str, ...]


def _path(name: str) -> str:
    return name


def _name(name: str) -> str:
    return PurePosixPath(name).name.rpartition("::")[2]  # of a member, behind its shard


def _stem(name: str) -> str:
    return PurePosixPath(_name(name)).stem


# How a file and a line may be the same, strictest first: by path, by name, and without suffix,
# where the line has none or has another.
MATCHES: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (_path, _path),
    (_name, _name),
    (_stem, _name),
    (_stem, _stem),
)


def classified(
    paths: Sequence[str], *, labels: Path | None, depth: int
) -> tuple[list[Entry], list[str] | None]:
    """Pair files with their classes: by a ground truth file, or without one by their folders.

    Args:
        paths: Files in sorted order.
        labels: The ground truth file, as `told_classes` reads it.
        depth: How many of the first folders are the class.

    Returns:
        The files, and the order of their classes where they are numbers that a file tells; folders
        have no order of their own.
    """
    if labels is None:
        return [Entry(path, class_of(path, depth=depth)) for path in paths], None
    entries = told_classes(paths, labels)
    return entries, numbered_classes(entry.class_key for entry in entries)


def told_classes(paths: Sequence[str], labels: Path) -> list[Entry]:
    """Pair files with the classes of a ground truth file.

    Args:
        paths: Files in sorted order.
        labels: "name class", "name;class" or "name,class …" lines in any order, a header line
            allowed (as Kaggle's LOC_val_solution.csv, where the class and four numbers are a box,
            of each object one); the name is a path below the folder or a file's own name, with or
            without suffix. Or one class a line in the order of the files, where that is the order
            of their numbers too; as ILSVRC2012_validation_ground_truth.txt, whose numbers are no
            places in the sorted WordNet ids: ``python -m stages.sort_validation --meta`` knows
            them.

    Raises:
        SourceError: If a file has no line, two could be meant, a name stands twice, a class is of
            several words or there are two; or, without names, if the number of lines is not that
            of the files, or their order is not certain.
    """
    try:
        lines = read_text(labels).splitlines()
    except (OSError, ValueError) as error:
        raise SourceError(f"the labels file cannot be read: {error}") from error
    rows = [re.split(r"[,;\s]+", line.strip()) for line in lines if line.strip()]
    if all(len(row) == 1 for row in rows):
        if len(rows) != len(paths):
            raise SourceError(
                f"'{labels}' must have one line for each of the {len(paths)} images, got "
                f"{len(rows)}"
            )
        _check_order(paths, labels)
        return [Entry(path, row[0]) for path, row in zip(paths, rows, strict=True)]
    told = [Told(row[0].removeprefix("./"), tuple(row[1:])) for row in rows if len(row) > 1]
    matched = _matched(paths, _unique(told, labels), labels)
    if missing := [path for path in paths if path not in matched]:
        raise SourceError(
            f"'{labels}' has no line for {len(missing)} of {len(paths)} images, the first is "
            f"'{missing[0]}'"
        )
    return [Entry(path, _class(matched[path], labels)) for path in paths]


def _check_order(paths: Sequence[str], labels: Path) -> None:
    """Refuse an order of text that is not that of the numbers in the names."""
    for path, counted in zip(paths, sorted(paths, key=by_number), strict=True):
        if path != counted:
            raise SourceError(
                f"'{labels}' has one class a line, in the order of the files; as text '{path}' "
                f"comes before '{counted}', by number behind it: which line is meant for which is "
                'not certain. Give "name class" lines'
            )


def _unique(told: list[Told], labels: Path) -> list[Told]:
    known: dict[str, Told] = {}
    for line in told:
        if line.key in known:
            raise SourceError(
                f"'{labels}' has '{line.key}' twice, with the classes "
                f"'{known[line.key].words[0]}' and '{line.words[0]}'; remove one line"
            )
        known[line.key] = line
    return told


def _matched(paths: Sequence[str], told: list[Told], labels: Path) -> dict[str, Told]:
    """The line of each file that has one; a line that a stricter match took is not free again."""
    found: dict[str, Told] = {}
    free, open_paths = told, list(paths)
    for of_file, of_line in MATCHES:
        lines: dict[str, list[Told]] = defaultdict(list)
        for line in free:
            lines[of_line(line.key)].append(line)
        files: dict[str, list[str]] = defaultdict(list)
        for path in open_paths:
            files[of_file(path)].append(path)
        for key in sorted(files.keys() & lines.keys()):
            if len(files[key]) > 1 or len(lines[key]) > 1:
                said = [f"{line.key} {line.words[0]}" for line in lines[key]]
                raise SourceError(
                    f"'{labels}' must tell files apart; the files {_some(files[key])} and the "
                    f"lines {_some(said)} share the name '{key}'. Give the paths below the "
                    "folder, one line each"
                )
            found[files[key][0]] = lines[key][0]
        taken = {line.key for line in found.values()}
        free = [line for line in free if line.key not in taken]
        open_paths = [path for path in open_paths if path not in found]
    return found


def _class(line: Told, labels: Path) -> str:
    """The class of a line; boxes may follow it, each but the first behind the class again."""
    for before, word in itertools.pairwise(line.words):
        if _is_number(word) or (_is_number(before) and word == line.words[0]):
            continue
        if _is_number(before):
            raise SourceError(
                f"'{labels}' must tell one class an image, got '{line.words[0]}' and '{word}' for "
                f"'{line.key}'; keep the one that is meant"
            )
        raise SourceError(
            f"'{labels}' must have one word as class, got '{' '.join(line.words)}' for "
            f"'{line.key}'; join the words by _, and give names by class_names"
        )
    return line.words[0]


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[-+.\d]*", word) is not None


def _some(names: Sequence[str]) -> str:
    return first_and_more([f"'{name}'" for name in names], shown=5)
