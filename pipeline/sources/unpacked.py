"""An archive's entry whose path is the folder that the archive was unpacked to."""

import dataclasses
from pathlib import Path
from typing import Any

from pipeline.sources.spec import FolderSet, ImageSet, SourceError, TarSet, TreeSet, ZipSet


def unpacked(spec: ImageSet, *, section: str) -> ImageSet:
    """Turn an archive that is a folder into a folder, its subfolder as it stands there.

    Args:
        spec: The entry, its path found.
        section: Its place in params.yaml, for errors.

    Raises:
        SourceError: If the folder does not hold the subfolder.
    """
    packed = isinstance(spec, TarSet | ZipSet)
    if not (packed or isinstance(spec, FolderSet)) or not Path(spec.path).is_dir():
        return spec
    inside = _inside(Path(spec.path), spec.subfolder, packed=packed, section=section)
    if isinstance(spec, FolderSet):
        return dataclasses.replace(spec, subfolder=inside)
    kept: dict[str, Any] = {f.name: getattr(spec, f.name) for f in dataclasses.fields(TreeSet)}
    kept["subfolder"] = inside
    return FolderSet(**kept)


def without_lead(root: Path, inside: str) -> str:
    """The part of a path in an archive that lies in a folder: all, or less its first directory.

    ``dtd/images`` is ``images`` in the folder ``dtd``. What is at neither place comes back whole.
    """
    whole = inside.strip("/")
    rest = whole.partition("/")[2]
    return whole if (root / whole).is_dir() or not (root / rest).is_dir() else rest


def _inside(root: Path, subfolder: str, *, packed: bool, section: str) -> str:
    whole = subfolder.strip("/")
    rest = whole.partition("/")[2]
    found = without_lead(root, whole)
    # The whole folder is meant if the entry is an archive's or the folder bears the name; else a
    # misspelt subfolder would stand for all that lies there.
    anything = packed or not whole or root.name.casefold() == whole.casefold()
    if (root / found).is_dir() and (found or anything):
        return found
    tried = f"neither '{whole}' nor '{rest}'" if rest else f"no '{whole}'"
    raise SourceError(
        f"'{section}.subfolder' must be a folder in '{root}', which holds {tried}; give the folder "
        "that the archive was unpacked to, or the subfolder as it is there"
    )
