"""What an entry of ``datasets`` in params.yaml may say: one frozen dataclass a kind of source.

An entry is a mapping, or a plain string that is the path of a folder or an archive. Relative
paths are taken from the working directory, or else from the parameter ``data_root``.
"""

import dataclasses
import os
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
            Where the source has numbers, they are positions in that list.
        first_label: The number of the first class where the source has numbers; ILSVRC's own
            begin at 1.
        class_names: Readable names: a JSON file or a mapping {class: name}, a JSON list in label
            order, or a text file of "class name" lines.
        include_classes: Keep images of these classes only.
        exclude_classes: Leave out images of these classes.
        max_per_class: Keep the first images of each class only, in path order.
        ignore: Further file name patterns that are no images, such as ``*.csv``.
    """

    path: str
    classes: bool | str | list[str] = True
    first_label: int = 0
    class_names: str | dict[str, str] | None = None
    include_classes: list[str] | None = None
    exclude_classes: list[str] | None = None
    max_per_class: int | None = None
    ignore: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class FolderSet(ImageSet):
    """A folder tree; the class is the first directory (the first two with ``class_depth: 2``).

    For a flat folder ``labels`` may be a file that tells the classes: "name class" or "name,class"
    lines, or one class a line in the sorted order of the names, as ImageNet's ground truth.
    """

    source: Literal["folder"] = "folder"
    subfolder: str = ""
    class_depth: int = 1
    labels: str | None = None


@dataclass(frozen=True)
class ZipSet(ImageSet):
    """A zip archive of a folder tree, read without unpacking."""

    source: Literal["zip"] = "zip"
    subfolder: str = ""
    class_depth: int = 1


@dataclass(frozen=True)
class TarSet(ImageSet):
    """Tar archives, also gzipped: of a folder tree, or WebDataset shards of key.jpg + key.cls.

    The path may be a pattern: ``train-{0000..0012}.tar`` or ``*.tar``.
    """

    source: Literal["tar"] = "tar"
    subfolder: str = ""
    class_depth: int = 1


@dataclass(frozen=True)
class ListSet(ImageSet):
    """A text file of "path label" lines, paths relative to ``root`` (a folder or an archive).

    ``strip`` drops so many leading directories of each path in the list, then ``prefix`` goes in
    front: so a list made for one layout reads the publisher's own archive.
    """

    source: Literal["list"] = "list"
    root: str = "."
    strip: int = 0
    prefix: str = ""


@dataclass(frozen=True)
class ParquetSet(ImageSet):
    """Parquet files with the images' bytes in a column, as data set hubs hand them out."""

    source: Literal["parquet"] = "parquet"
    image_column: str = "image"
    label_column: str | None = "label"


@dataclass(frozen=True)
class CifarSet(ImageSet):
    """CIFAR-10 or CIFAR-100 in their python version: the .tar.gz itself or its folder."""

    source: Literal["cifar"] = "cifar"
    split: Literal["train", "test"] = "test"
    coarse: bool = False


@dataclass(frozen=True)
class MatSet(ImageSet):
    """SVHN's cropped digits: a MATLAB file with X [h w 3 n] and y [n 1], where 10 stands for 0."""

    source: Literal["mat"] = "mat"


@dataclass(frozen=True)
class IdxSet(ImageSet):
    """MNIST's format: an idx file of images and one of labels, plain or gzipped."""

    source: Literal["idx"] = "idx"
    labels: str | None = None


@dataclass(frozen=True)
class RowsSet(ImageSet):
    """Rows of features computed elsewhere, without image files; see pipeline.extraction.imports.

    ``path`` is a features file (its rows are counted, and its own labels used) or a labels file;
    ``labels`` a labels file beside it; ``columns`` names arrays or columns in either.
    """

    source: Literal["features"] = "features"
    labels: str | None = None
    columns: dict[str, str] = dataclasses.field(default_factory=dict)


KINDS: dict[str, type[ImageSet]] = {
    "folder": FolderSet,
    "zip": ZipSet,
    "tar": TarSet,
    "list": ListSet,
    "parquet": ParquetSet,
    "cifar": CifarSet,
    "mat": MatSet,
    "idx": IdxSet,
    "features": RowsSet,
}
SUFFIXES = {  # the first that fits
    "-python.tar.gz": "cifar",
    ".zip": "zip",
    ".tar": "tar",
    ".tar.gz": "tar",
    ".tgz": "tar",
    ".parquet": "parquet",
    ".mat": "mat",
}
PATHS = ("root", "labels")  # further fields that are paths
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
    packed = _guess(str(values["path"]))
    if kind == "folder" and packed in ("zip", "tar") and not Path(values["path"]).is_dir():
        kind = packed  # a folder, but packed
    if kind not in KINDS:
        known = ", ".join(sorted([*KINDS, *MADE]))
        raise ValueError(f"'{section}.source' must be one of {known}, got {kind!r}")
    spec = from_mapping(KINDS[kind], {**values, "source": kind}, section=section)
    places = {
        name: str(resolve(value, section=f"{section}.{name}", data_root=data_root))
        for name in ("path", *PATHS)
        if (value := getattr(spec, name, None)) is not None
    }
    return dataclasses.replace(spec, **places)


def _guess(path: str) -> str:
    """Name the source by the path's suffix; anything else is a folder."""
    name = path.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), "folder")


def resolve(path: str, *, section: str, data_root: Path) -> Path:
    """Find a path as given, or below ``data_root``.

    Raises:
        SourceError: If it is at neither place, or may not be read.
    """
    given = Path(path).expanduser()
    if any(sign in path for sign in "{*?["):  # a pattern: its folder must exist
        return resolve(str(given.parent), section=section, data_root=data_root) / given.name
    places = [given] if given.is_absolute() else [given, data_root.expanduser() / given]
    for place in places:
        try:
            found = place.exists()
        except PermissionError:  # of a folder above
            raise _unreadable(section, place) from None
        if found:
            if not os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0)):
                raise _unreadable(section, place)
            return place
    tried = " and ".join(f"'{place}'" for place in places)
    raise SourceError(
        f"'{section}' does not exist; tried {tried}. Relative paths are taken from the "
        "working directory, then from data_root"
    )


def _unreadable(section: str, place: Path) -> SourceError:
    return SourceError(
        f"'{section}' is at '{place}', but you may not read it (permission denied); ask its owner "
        "for read access to the folder and those above, or give another copy"
    )
