"""Classes of labelled images that are wrong, or doubtful without being wrong: never mended."""

import unicodedata
from collections.abc import Iterable

import polars as pl

from pipeline.name_lists import first_and_more

SHOWN = 3


def doubts(index: pl.DataFrame, *, reference: list[str] | None = None) -> list[str]:
    """Return one sentence for each thing that a look at the folders should settle.

    Args:
        index: The images of one data set.
        reference: The class names of the ID training set, for the ID test set.
    """
    labelled = index.filter(pl.col("error").is_null() & (pl.col("label") >= 0))
    names = labelled["class_name"].unique().sort().to_list()
    return [
        *_absent(names, reference or []),
        *_one_class_twice(names),
        *_one_file_in_two_classes(labelled),
    ]


def one_class_twice(keys: Iterable[str]) -> list[list[str]]:
    """Class keys that differ by case, spaces, underscores or how accents are coded only.

    The case of a single letter tells two classes apart, as in handwriting: latin_a and latin_A.
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for key in sorted(keys):
        words = _composed(key).replace("_", " ").split()
        alike.setdefault(tuple(w if len(w) == 1 else w.casefold() for w in words), []).append(key)
    return [group for group in alike.values() if len(group) > 1]


def _absent(names: list[str], reference: list[str]) -> list[str]:
    absent = sorted(set(reference) - set(names))
    if not absent:
        return []
    return [
        f"{len(absent)} of the {len(reference)} training classes have no images here: "
        f"{_some(absent)}; is a class folder missing?"
    ]


def _one_class_twice(names: list[str]) -> list[str]:
    found = [" = ".join(group) for group in one_class_twice(names)]
    if not found:
        return []
    stand = "1 class stands" if len(found) == 1 else f"{len(found)} classes stand"
    return [
        f"{stand} under two names that differ by case, spaces, underscores or how accents are "
        f"coded only: {_some(found)}; put their images in one folder"
    ]


def _composed(name: str) -> str:
    """A letter with its accent as one sign: macOS writes file names as two, others as one."""
    return unicodedata.normalize("NFC", name)


def _one_file_in_two_classes(labelled: pl.DataFrame) -> list[str]:
    twice = (
        labelled.filter(pl.col("sha256").is_not_null())
        .group_by("sha256")
        .agg(pl.col("label").n_unique().alias("labels"), pl.col("path").sort())
        .filter(pl.col("labels") > 1)
        .sort(pl.col("path").list.first())
    )
    if twice.is_empty():
        return []
    pairs = [" = ".join(paths[:2]) for paths in twice["path"].to_list()]
    stand = "1 file stands" if len(twice) == 1 else f"{len(twice)} files stand"
    return [f"{stand} under two classes with the same bytes: {_some(pairs)}; leave one of each out"]


def _some(names: list[str]) -> str:
    return first_and_more(names, shown=SHOWN)
