"""From the numbers of a source to the classes that an entry lists in their order."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.language.shipped import imagenet_wnids
from pipeline.language.text_file import read_text
from pipeline.sources.listing import Entry
from pipeline.sources.spec import ImageSet, SourceError


def listed_classes(spec: ImageSet) -> list[str]:
    """Class keys of an entry's own list, or of its file: the first word of each line."""
    if isinstance(spec.classes, list):
        return list(spec.classes)
    return [line.split(maxsplit=1)[0] for line in class_lines(str(spec.classes))]


def class_lines(path: str) -> list[str]:
    """Lines of a file of classes, without blank ones."""
    try:
        text = read_text(Path(path))
    except (OSError, ValueError) as error:
        raise SourceError(f"a list of classes cannot be read: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def have_names(numbered: Sequence[str]) -> bool:
    """Whether class keys in the order of their numbers are names, not the numbers themselves."""
    return list(numbered) != [str(number) for number in range(len(numbered))]


def by_position(
    entries: Sequence[Entry], spec: ImageSet, *, numbered: Sequence[str], dataset: str
) -> list[Entry]:
    """Turn the numbers of a source into the classes that its spec lists in their order.

    Args:
        entries: Images under the source's own keys: numbers, or the names of its numbers.
        spec: Holds the list.
        numbered: The source's keys in the order of its numbers.
        dataset: The name in errors.

    Raises:
        SourceError: If a number is outside the list, or has a name and the list is of another
            length or of some of the names only; or the numbers seem to be ILSVRC2012's own.
    """
    keys = listed_classes(spec)
    present = {entry.class_key for entry in entries} - {""}
    if present <= set(keys):
        return list(entries)  # the list is of those numbers, or of the source's own names
    if have_names(numbered):
        listed = _for_names(keys, spec, numbered=numbered, dataset=dataset)
        return [Entry(entry.path, listed[entry.class_key]) for entry in entries]
    _check_official(keys, spec, dataset=dataset)
    by_number = {str(number): key for number, key in enumerate(keys, start=spec.first_label)}
    if unknown := sorted(present - set(by_number)):
        raise SourceError(
            f"'{dataset}' has the label {unknown[0]}, but its list of {len(keys)} classes holds "
            f"the numbers {spec.first_label} to {spec.first_label + len(keys) - 1}; "
            "see datasets.<name>.first_label"
        )
    return [Entry(entry.path, by_number.get(entry.class_key, "")) for entry in entries]


def _check_official(keys: list[str], spec: ImageSet, *, dataset: str) -> None:
    """Refuse the sorted ids of ImageNet-1k, counted from 1, for a file of labels."""
    told = getattr(spec, "labels", None)
    if told is not None and spec.first_label == 1 and tuple(keys) == imagenet_wnids():
        raise SourceError(
            f"the numbers in '{told}' would be places in the sorted WordNet ids, counted from 1; "
            "ILSVRC2012's own numbers have another order: 1 is n02119789, not n01440764. Sort the "
            "validation folder by python -m stages.sort_validation --meta, or list the ids of "
            f"datasets.{dataset}.classes in the order of the numbers. If they do count the sorted "
            "ids, write them from 0 and leave first_label out"
        )


def _for_names(
    keys: list[str], spec: ImageSet, *, numbered: Sequence[str], dataset: str
) -> dict[str, str]:
    """The listed class for each name of a number, of which the source says how many there are."""
    if own := sorted(set(keys) & set(numbered)):
        lacking = [key for key in numbered if key not in keys]
        raise SourceError(
            f"datasets.{dataset}.classes lists '{own[0]}', a class of '{spec.path}', but not its "
            f"'{lacking[0]}' ({len(lacking)} of {len(numbered)} are missing): list all of them, or "
            "choose some by include_classes"
        )
    if len(keys) != len(numbered) or spec.first_label:
        raise SourceError(
            f"datasets.{dataset}.classes must list a class for each of the {len(numbered)} numbers "
            f"of '{spec.path}', counted from 0; got {len(keys)}, counted from {spec.first_label}"
        )
    return {"": ""} | dict(zip(numbered, keys, strict=True))
