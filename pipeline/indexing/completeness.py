"""Whether a data set is complete: as its benchmark states, and as its training set has classes."""

from collections.abc import Sequence

from pipeline.sources import Entry, ImageSet, Source, SourceError
from pipeline.sources.folder import FolderSource
from pipeline.sources.spec import TreeSet

SHOWN = 10


def check_complete(
    dataset: str,
    spec: ImageSet,
    entries: Sequence[Entry],
    *,
    images: int | None,
    classes: int | None,
    empty: Sequence[str],
    partial: bool,
) -> list[str]:
    """Compare a listing with the stated numbers.

    Args:
        dataset: The name in the message.
        spec: Its entry.
        entries: The images after its filters, unreadable ones among them.
        images: How many there should be; None where nothing is stated.
        classes: How many classes they should have.
        empty: Class folders without a file.
        partial: A difference is meant.

    Returns:
        What differs, as sentences for a warning; with ``partial`` only, else it is an error.

    Raises:
        SourceError: If a number differs.
    """
    found = len(entries), len({entry.class_key for entry in entries} - {""})
    if found[0] == (images or found[0]) and found[1] == (classes or found[1]):
        return []
    wanted = _amount(images, classes)
    without = f"; without any: {_some(empty)}" if empty else ""
    held = f"'{spec.path}' gives {_amount(found[0], classes and found[1])}{without}"
    if not partial:
        raise SourceError(
            f"'{dataset}' must hold {wanted}, as its benchmark states; {held}. Complete the copy "
            "or give another path; if a part is meant, say so by -S index.partial=true"
        )
    return [f"{held}; its benchmark states {wanted}"]


def missing_folders(
    dataset: str,
    spec: ImageSet,
    entries: Sequence[Entry],
    *,
    reference: tuple[str, Sequence[str]],
) -> str:
    """What a tree of class folders lacks of its training set's classes, as a sentence; or "".

    Args:
        dataset: The name in the sentence.
        spec: Its entry; with a filter of its own, a part is meant.
        entries: The images after its filters.
        reference: Name and class keys of the training set.
    """
    if not isinstance(spec, TreeSet) or spec.labels is not None:
        return ""
    if spec.include_classes is not None or spec.exclude_classes is not None:
        return ""
    training, keys = reference
    held = {entry.class_key for entry in entries}
    absent = [key for key in keys if key not in held]
    if not absent:
        return ""
    return (
        f"'{dataset}' must have a folder with images for each of the {len(keys)} classes of "
        f"'{training}', its training set; {len(absent)} have none: {_some(absent)}. Complete the "
        f"copy; if a part is meant, say so by datasets.{dataset}.include_classes or "
        "-S index.partial=true"
    )


def missing_included(dataset: str, spec: ImageSet, present: Sequence[str]) -> str:
    """What the images lack of the classes that an entry includes, as a sentence; or "".

    Args:
        dataset: The name in the sentence.
        spec: Its entry.
        present: The classes that have images, before any filter.
    """
    included = spec.include_classes or []
    if not (absent := sorted(set(included) - set(present))):
        return ""
    return (
        f"datasets.{dataset}.include_classes names {len(absent)} of {len(included)} classes "
        f"without an image in '{spec.path}': {_some(absent)}; there are {_some(present)}. Mend the "
        "names, or complete the copy; if a part is meant, say so by -S index.partial=true"
    )


def empty_class_folders(spec: ImageSet, source: Source, entries: Sequence[Entry]) -> list[str]:
    """Classes without a file, in order: of those to include, else of the folders of a tree."""
    if spec.classes is False:
        return []
    held = {entry.class_key for entry in entries} | set(spec.exclude_classes or [])
    if spec.include_classes is not None:
        return sorted(set(spec.include_classes) - held)
    if not isinstance(source, FolderSource) or source.labels is not None:
        return []
    return sorted(set(source.class_folders()) - held)


def _amount(images: int | None, classes: int | None) -> str:
    told = [f"{images:,} images"] if images is not None else []
    return " of ".join(told + ([f"{classes:,} classes"] if classes is not None else []))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
