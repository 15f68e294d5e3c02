"""From an entry of ``datasets`` in params.yaml to its dataclass: paths found, options checked."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from pipeline.language.shipped import imagenet_wnids_file
from pipeline.params import from_mapping, read_section
from pipeline.sources import idx
from pipeline.sources.options import check_options
from pipeline.sources.patterns import RULE, is_pattern, matches
from pipeline.sources.spec import (
    CifarSet,
    FolderSet,
    IdxSet,
    ImageSet,
    ListSet,
    MatSet,
    ParquetSet,
    RowsSet,
    SourceError,
    TarSet,
    ZipSet,
)
from pipeline.sources.unpacked import unpacked

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
        ValueError: If the source is unknown, a key is misspelt or cannot be honoured, or the path
            does not exist.
    """
    section = f"datasets.{dataset}"
    if isinstance(values, dict) and values.get("source") in MADE:
        return FolderSet(path=f"{MADE[values['source']]}/{dataset}")
    spec = entry_spec(dataset, values)
    places = {
        name: str(resolve(value, section=f"{section}.{name}", data_root=data_root))
        for name in ("path", *PATHS)
        if (value := getattr(spec, name, None)) is not None
    }
    if spec.classes == "imagenet1k":
        places["classes"] = str(imagenet_wnids_file())
    found = dataclasses.replace(spec, **places)
    if isinstance(found, IdxSet):
        idx.files(Path(found.path), labels=found.labels, split=found.split)
    return unpacked(found, section=section)


def entry_spec(dataset: str, values: Any) -> ImageSet:
    """Turn one entry of ``datasets`` into its dataclass, its paths as they are written.

    Raises:
        ValueError: If the source is unknown, or a key is misspelt or cannot be honoured.
    """
    section = f"datasets.{dataset}"
    if isinstance(values, str):
        values = {"path": values}
    if not isinstance(values, dict):
        raise ValueError(f"'{section}' must be a path or a mapping, got {values!r}")
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
    try:
        spec = from_mapping(KINDS[kind], {**values, "source": kind}, section=section)
    except ValueError as error:
        raise ValueError(f"{error}{_left_behind(values, kind, section)}") from error
    check_options(spec, section=section)
    return spec


def _left_behind(values: dict[str, Any], kind: str, section: str) -> str:
    """The cure where an option is of another kind of source, as a change of `source` leaves it."""
    options = {name: {field.name for field in dataclasses.fields(KINDS[name])} for name in KINDS}
    for key in sorted(set(values) - options[kind]):
        if of := [name for name in KINDS if key in options[name]]:
            return (
                f". '{key}' is an option of source: {' or '.join(of)}, this is source: {kind}; "
                f"drop it by ~{section}.{key}, or give the whole entry anew, {section}=PATH"
            )
    return ""


def _guess(path: str) -> str:
    """Name the source by the path's suffix; anything else is a folder."""
    name = path.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), "folder")


def resolve(path: str, *, section: str, data_root: Path) -> Path:
    """Find a path, or any file of a pattern, as given or below ``data_root``.

    Raises:
        SourceError: If it is at neither place, or may not be read.
    """
    given = Path(path).expanduser()
    pattern = is_pattern(path)
    places = [given] if given.is_absolute() else [given, data_root.expanduser() / given]
    for place in places:
        try:
            found = place.exists()
            searched = pattern and not found and place.parent.exists()
        except PermissionError:  # of a folder above
            raise _unreadable(section, place) from None
        here = place.parent if searched else place
        if (found or searched) and not may_read(here):
            raise _unreadable(section, here)
        if found or (pattern and matches(str(place))):
            return place
    tried = " and ".join(f"'{place}'" for place in places)
    raise SourceError(
        f"'{section}' {'matches no file' if pattern else 'does not exist'}; tried {tried}. "
        "Relative paths are taken from the working directory, then from data_root"
        + (f"; {RULE}" if pattern else "")
    )


def may_read(place: Path) -> bool:
    """Whether this user may read a file, or list a folder and go into it."""
    return os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0))


def _unreadable(section: str, place: Path) -> SourceError:
    return SourceError(
        f"'{section}' is at '{place}', but you may not read it (permission denied); ask its owner "
        "for read access to the folder and those above, or give another copy"
    )
