"""Classes of a data set and their labels: positions in one list, the same for train and test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.indexing.completeness import missing_included
from pipeline.indexing.positions import listed_classes
from pipeline.indexing.readable_names import readable_names, some
from pipeline.sources.spec import ImageSet, SourceError


@dataclass(frozen=True)
class Classes:
    """Class keys in label order, with their readable names.

    A key is what the data say (a directory, a number); two classes may share a name, as ImageNet's
    two cranes do, but never a key.

    Attributes:
        incomplete: Which classes that it should have a data set lacks, as a sentence; "" for none.
    """

    keys: list[str]
    names: list[str]
    incomplete: str = ""

    def name_of(self) -> dict[str, str]:
        """Readable name by key."""
        return dict(zip(self.keys, self.names, strict=True))


def resolve_classes(
    spec: ImageSet,
    *,
    declared: Sequence[str] | None,
    present: Iterable[str],
    dataset: str,
    own_names: Mapping[str, str] = MappingProxyType({}),
) -> Classes:
    """Decide the label order of a data set.

    Args:
        spec: Says whose order holds: its own list or file, or the source's (with ``classes: false``
            too: the filters go by them).
        declared: Class keys in the source's own numbering, if it has one.
        present: Class keys of the images, used where nothing else gives the order: sorted as
            strings, so that the folder '10' comes before '2'.
        dataset: The name in errors.
        own_names: Readable names by key that the source gives, where they differ from the keys.

    Raises:
        SourceError: If a class is listed twice, or a filter or a name list does not fit. Classes to
            include that no image shows are none of it where only images tell which there are: they
            are misspelt, or the copy is incomplete.
    """
    by_images = False
    if isinstance(spec.classes, list | str):
        keys = listed_classes(spec)
    elif declared is not None:
        keys = list(declared)
    else:
        keys, by_images = sorted(set(present) - {""}), spec.classes is not False
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SourceError(f"the classes of '{dataset}' must differ; '{twice}' is listed twice")
    names = readable_names(spec, keys, declared=declared, own=own_names, dataset=dataset)
    incomplete = missing_included(dataset, spec, keys) if by_images else ""
    kept = _filtered(spec, keys, dataset=dataset, told=bool(incomplete))
    return Classes(kept, [names[key] for key in kept], incomplete)


def _filtered(spec: ImageSet, keys: list[str], *, dataset: str, told: bool) -> list[str]:
    for option, chosen in (
        ("include_classes", None if told else spec.include_classes),
        ("exclude_classes", spec.exclude_classes),
    ):
        if unknown := sorted(set(chosen or []) - set(keys)):
            raise SourceError(
                f"datasets.{dataset}.{option} names the class '{unknown[0]}', which is not among "
                f"the classes of '{dataset}': {some(keys)}"
            )
    included = set(keys if spec.include_classes is None else spec.include_classes)
    return [key for key in keys if key in included - set(spec.exclude_classes or [])]


def check_classes(
    present: Iterable[str],
    classes: Classes,
    *,
    dataset: str,
    reference: str | None,
    numbered: bool = False,
) -> None:
    """Refuse images of a class that has no label.

    Args:
        present: Class keys of the images, "" for none.
        classes: Those with a label.
        dataset: The name in errors.
        reference: The training set whose classes they are, if they are not the data set's own.
        numbered: The source has numbers, which a list of classes would translate.

    Raises:
        SourceError: Names the classes; with a reference set, as ID classes without training rows.
    """
    unknown = sorted(set(present) - set(classes.keys) - {""})
    if not unknown:
        return
    cure = f"or leave them out by datasets.{dataset}.exclude_classes"
    if reference is not None:
        translate = f"list the keys of '{reference}' in the order of its numbers by "
        translate = f"{translate}datasets.{dataset}.classes, " if numbered else ""
        raise SourceError(
            f"{len(unknown)} ID classes of '{dataset}' have no training rows in '{reference}': "
            f"{some(unknown)}; add training images, {translate}{cure}"
        )
    raise SourceError(
        f"{len(unknown)} classes of '{dataset}' are not in its class list: {some(unknown)}; "
        f"add them to datasets.{dataset}.classes, {cure}"
    )
