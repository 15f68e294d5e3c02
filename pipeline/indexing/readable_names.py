"""Readable names of classes: the source's own, or what an entry's ``class_names`` says."""

from collections.abc import Mapping, Sequence

from pipeline.indexing.positions import class_lines, have_names
from pipeline.language.name_files import check_no_code, wordnet_names
from pipeline.language.name_values import are_values, named_values
from pipeline.language.unique_keys import unique_keys
from pipeline.name_lists import first_and_more
from pipeline.sources.spec import ImageSet, SourceError


def readable_names(
    spec: ImageSet,
    keys: Sequence[str],
    *,
    declared: Sequence[str] | None,
    own: Mapping[str, str],
    dataset: str,
) -> dict[str, str]:
    """Return a name by key; without a list the source's own, or else the key itself.

    Args:
        spec: Holds ``class_names``: a list goes by position, a mapping by key, or by number where
            the keys are names of numbers, or as many, and the mapping has none of them.
        keys: In label order.
        declared: The source's own keys in the order of its numbers, if it has an order.
        own: Names by key that the source gives.
        dataset: The name in errors.

    Raises:
        SourceError: If a class has no name, or which one it has is not certain.
    """
    told = spec.class_names
    if told is None:
        return {key: own.get(key, key) for key in keys}
    names = told if isinstance(told, dict) else _read(told, keys, spec, dataset)
    by_number = list(keys) == list(declared or []) or len(names) == len(keys)
    if not set(keys) & set(names) and by_number and have_names(keys):
        names = {key: names[str(n)] for n, key in enumerate(keys) if str(n) in names}
    if missing := [key for key in keys if key not in names]:
        raise SourceError(
            f"datasets.{dataset}.class_names has no name for {len(missing)} classes: "
            f"{some(missing)}"
        )
    return {key: str(names[key]) for key in keys}


def _read(told: str, keys: Sequence[str], spec: ImageSet, dataset: str) -> dict[str, str]:
    """The names of a file, by class key or number."""
    lines = class_lines(told)
    if told.endswith(".json") or are_values("".join(lines[:1])):
        loaded = named_values("\n".join(lines), told_by=told)
        return loaded if isinstance(loaded, dict) else _in_label_order(loaded, keys, spec, dataset)
    if published := wordnet_names(lines, told_by=told):
        return published
    pairs = [line.split(maxsplit=1) for line in lines]
    check_no_code([pair[-1] for pair in pairs], told_by=told)
    return unique_keys(((pair[0], pair[-1]) for pair in pairs), told_by=told)


def _in_label_order(
    loaded: list[str], keys: Sequence[str], spec: ImageSet, dataset: str
) -> dict[str, str]:
    if len(loaded) != len(keys):
        raise SourceError(
            f"'{spec.class_names}' must hold a name for each of the {len(keys)} classes of "
            f"'{dataset}', got {len(loaded)}"
        )
    if all(key.isdecimal() for key in keys) and list(keys) != sorted(keys, key=int):
        raise SourceError(
            f"'{spec.class_names}' is a list in label order, but the classes of '{dataset}' are "
            f"numbers in the order of text ({some(keys)}): which name is whose is not certain. "
            "Give a mapping {class: name}"
        )
    return dict(zip(keys, loaded, strict=True))


def some(keys: Sequence[str]) -> str:
    """The first twenty keys, as words."""
    return first_and_more(keys, shown=20)
