"""Classes of a data set and their labels: positions in one list, the same for train and test."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.language.name_files import read_json_names, unique_keys
from pipeline.language.text_file import read_text
from pipeline.sources.listing import Entry
from pipeline.sources.spec import ImageSet, SourceError


@dataclass(frozen=True)
class Classes:
    """Class keys in label order, with their readable names.

    A key is what the data say (a directory, a number); two classes may share a name, as ImageNet's
    two cranes do, but never a key.
    """

    keys: list[str]
    names: list[str]

    def name_of(self) -> dict[str, str]:
        """Readable name by key."""
        return dict(zip(self.keys, self.names, strict=True))


def resolve_classes(
    spec: ImageSet, *, declared: Sequence[str] | None, present: Iterable[str], dataset: str
) -> Classes:
    """Decide the label order of a data set.

    Args:
        spec: Says whose order holds: its own list or file, or the source's (with ``classes: false``
            too: the filters go by them).
        declared: Class keys in the source's own numbering, if it has one.
        present: Class keys of the images, used where nothing else gives the order: sorted as
            strings, so that the folder '10' comes before '2'.
        dataset: The name in errors.

    Raises:
        SourceError: If a class is listed twice, or a filter or a name list does not fit.
    """
    if isinstance(spec.classes, list):
        keys = list(spec.classes)
    elif isinstance(spec.classes, str):
        keys = _listed(spec.classes)
    elif declared is not None:
        keys = list(declared)
    else:
        keys = sorted(set(present) - {""})
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SourceError(f"the classes of '{dataset}' must differ; '{twice}' is listed twice")
    names = _readable(spec, keys, dataset=dataset)
    kept = _filtered(spec, keys, dataset=dataset)
    return Classes(kept, [names[key] for key in kept])


def by_position(entries: Sequence[Entry], spec: ImageSet, *, dataset: str) -> list[Entry]:
    """Turn the numbers of a source into the classes that its spec lists in their order.

    Raises:
        SourceError: If a number is outside the list.
    """
    keys = spec.classes if isinstance(spec.classes, list) else _listed(str(spec.classes))
    present = {entry.class_key for entry in entries} - {""}
    if present <= set(keys):
        return list(entries)  # the list is of those numbers, or of the source's own names
    by_number = {str(number): key for number, key in enumerate(keys, start=spec.first_label)}
    if unknown := sorted(present - set(by_number)):
        raise SourceError(
            f"'{dataset}' has the label {unknown[0]}, but its list of {len(keys)} classes holds "
            f"the numbers {spec.first_label} to {spec.first_label + len(keys) - 1}; "
            "see datasets.<name>.first_label"
        )
    return [Entry(entry.path, by_number.get(entry.class_key, "")) for entry in entries]


def _listed(path: str) -> list[str]:
    """Class keys of a file: the first word of each line."""
    return [line.split(maxsplit=1)[0] for line in _lines(path)]


def _filtered(spec: ImageSet, keys: list[str], *, dataset: str) -> list[str]:
    for option, chosen in (
        ("include_classes", spec.include_classes),
        ("exclude_classes", spec.exclude_classes),
    ):
        if unknown := sorted(set(chosen or []) - set(keys)):
            raise SourceError(
                f"datasets.{dataset}.{option} names the class '{unknown[0]}', which is not among "
                f"the classes of '{dataset}': {_some(keys)}"
            )
    included = set(keys if spec.include_classes is None else spec.include_classes)
    return [key for key in keys if key in included - set(spec.exclude_classes or [])]


def _readable(spec: ImageSet, keys: list[str], *, dataset: str) -> dict[str, str]:
    """Names by key; without a list, the keys themselves."""
    if spec.class_names is None:
        return {key: key for key in keys}
    if isinstance(spec.class_names, dict):
        names = spec.class_names
    elif spec.class_names.endswith(".json"):
        loaded = read_json_names(Path(spec.class_names))
        names = loaded if isinstance(loaded, dict) else _in_label_order(loaded, keys, spec, dataset)
    else:
        pairs = [line.split(maxsplit=1) for line in _lines(spec.class_names)]
        names = unique_keys(((pair[0], pair[-1]) for pair in pairs), told_by=spec.class_names)
    if missing := [key for key in keys if key not in names]:
        raise SourceError(
            f"datasets.{dataset}.class_names has no name for {len(missing)} classes: "
            f"{_some(missing)}"
        )
    return {key: str(names[key]) for key in keys}


def _in_label_order(
    loaded: list[str], keys: list[str], spec: ImageSet, dataset: str
) -> dict[str, str]:
    if len(loaded) != len(keys):
        raise SourceError(
            f"'{spec.class_names}' must hold a name for each of the {len(keys)} classes of "
            f"'{dataset}', got {len(loaded)}"
        )
    if all(key.isdecimal() for key in keys) and keys != sorted(keys, key=int):
        raise SourceError(
            f"'{spec.class_names}' is a list in label order, but the classes of '{dataset}' are "
            f"numbers in the order of text ({_some(keys)}): which name is whose is not certain. "
            "Give a mapping {class: name}"
        )
    return dict(zip(keys, loaded, strict=True))


def _lines(path: str) -> list[str]:
    try:
        text = read_text(Path(path))
    except (OSError, ValueError) as error:
        raise SourceError(f"a list of classes cannot be read: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def check_classes(
    present: Iterable[str], classes: Classes, *, dataset: str, reference: str | None
) -> None:
    """Refuse images of a class that has no label.

    Raises:
        SourceError: Names the classes; with a reference set, as ID classes without training rows.
    """
    unknown = sorted(set(present) - set(classes.keys) - {""})
    if not unknown:
        return
    cure = f"or leave them out by datasets.{dataset}.exclude_classes"
    if reference is not None:
        raise SourceError(
            f"{len(unknown)} ID classes of '{dataset}' have no training rows in '{reference}': "
            f"{_some(unknown)}; add training images, {cure}"
        )
    raise SourceError(
        f"{len(unknown)} classes of '{dataset}' are not in its class list: {_some(unknown)}; "
        f"add them to datasets.{dataset}.classes, {cure}"
    )


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:20]) + (", ..." if len(keys) > 20 else "")
