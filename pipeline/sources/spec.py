"""What an entry of ``datasets`` in params.yaml may say: one frozen dataclass a kind of source.

An entry is a mapping, or a plain string that is the path of a folder or an archive. Relative
paths are taken from the working directory, or else from the parameter ``data_root``.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.params import from_mapping, read_section


class SourceError(ValueError):
    """A data set that cannot be listed or read; the message names its path and the cure."""


@dataclass(frozen=True)
class ImageSet:
    """What every source of images understands.

    Attributes:
        path: Folder, archive or file, read in place and never written to.
        classes: ``true``: the source's own classes, in sorted order (or its own numbering);
            ``false``: no labels; a list, or a file with one class a line: classes in label order.
        class_names: Readable names: a JSON file or a mapping {class: name}, a JSON list in label
            order, or a text file of "class name" lines.
        include_classes: Keep images of these classes only.
        exclude_classes: Leave out images of these classes.
        max_per_class: Keep the first images of each class only, in path order.
        ignore: Further file name patterns that are no images, such as ``*.csv``.
    """

    path: str
    classes: bool | str | list[str] = True
    class_names: str | dict[str, str] | None = None
    include_classes: list[str] | None = None
    exclude_classes: list[str] | None = None
    max_per_class: int | None = None
    ignore: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class FolderSet(ImageSet):
    """A folder tree; the class is the first directory (the first two with ``class_depth: 2``)."""

    source: Literal["folder"] = "folder"
    subfolder: str = ""
    class_depth: int = 1


@dataclass(frozen=True)
class ZipSet(ImageSet):
    """A zip archive of a folder tree, read without unpacking."""

    source: Literal["zip"] = "zip"
    subfolder: str = ""
    class_depth: int = 1


KINDS: dict[str, type[ImageSet]] = {"folder": FolderSet, "zip": ZipSet}
SUFFIXES = {".zip": "zip"}
# Sets that a stage of this project makes: their images lie where that stage writes them.
MADE = {"glyphs": "data/images", "craft": "data/adversarial"}


def load_spec(dataset: str, *, params: Path = Path("params.yaml")) -> ImageSet:
    """Read ``datasets.<dataset>`` from params.yaml, with its path resolved."""
    values = read_section("datasets", path=params)
    if dataset not in values:
        known = ", ".join(sorted(values))
        raise KeyError(f"unknown dataset '{dataset}'; known: {known}")
    try:
        data_root = Path(read_section("data_root", path=params) or ".")
    except KeyError:
        data_root = Path("data/raw")
    return read_spec(dataset, values[dataset], data_root=data_root)


def read_spec(dataset: str, values: Any, *, data_root: Path = Path("data/raw")) -> ImageSet:
    """Turn one entry of ``datasets`` into its dataclass, with the path resolved.

    Raises:
        ValueError: If the source is unknown, a key is misspelt, or the path does not exist.
    """
    section = f"datasets.{dataset}"
    if isinstance(values, str):
        values = {"path": values}
    if not isinstance(values, dict):
        raise ValueError(f"'{section}' must be a path or a mapping, got {values!r}")
    if values.get("source") in MADE:
        return FolderSet(path=f"{MADE[values['source']]}/{dataset}")
    if "path" not in values or values["path"] in (None, "", "???"):
        raise SourceError(
            f"'{section}' has no path; give a folder or an archive, "
            f"for example -S '{section}.path=/data/{dataset}'"
        )
    kind = values.get("source") or _guess(str(values["path"]))
    if kind not in KINDS:
        known = ", ".join(sorted([*KINDS, *MADE]))
        raise ValueError(f"'{section}.source' must be one of {known}, got {kind!r}")
    spec = from_mapping(KINDS[kind], {**values, "source": kind}, section=section)
    found = resolve(spec.path, section=section, data_root=data_root)
    return dataclasses.replace(spec, path=str(found))


def _guess(path: str) -> str:
    """Name the source by the path's suffix; anything else is a folder."""
    name = path.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), "folder")


def resolve(path: str, *, section: str, data_root: Path) -> Path:
    """Find a path as given, or below ``data_root``.

    Raises:
        SourceError: If it is at neither place.
    """
    given = Path(path).expanduser()
    places = [given] if given.is_absolute() else [given, data_root.expanduser() / given]
    for place in places:
        if place.exists():
            return place
    tried = " and ".join(f"'{place}'" for place in places)
    raise SourceError(
        f"'{section}.path' does not exist; tried {tried}. Relative paths are taken from the "
        "working directory, then from data_root"
    )
