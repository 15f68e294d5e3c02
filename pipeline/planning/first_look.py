"""Whether an ID set has classes, told by the first of its images before all are listed."""

import itertools
import os
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.sources import ImageSet
from pipeline.sources.ignored import IgnoredNames
from pipeline.sources.listing import check_member, check_no_archives, class_of
from pipeline.sources.patterns import expand
from pipeline.sources.spec import FolderSet, TarSet
from pipeline.sources.webdataset import COMPANIONS

FIRST = 8  # members of an archive
MOST = 32 << 20  # bytes to unpack for them; of a plain tar only headers are read
ENTRIES = 1000  # of a folder


def without_classes(spec: ImageSet) -> Path | None:
    """Return where images lie of which none has a class, by the first ones; None if not seen.

    Raises:
        SourceError: If they are archives themselves, as in ImageNet's tar of one tar a class.
        OSError: If they cannot be looked at.
    """
    if not isinstance(spec, FolderSet | TarSet) or spec.labels is not None:
        return None
    if isinstance(spec, FolderSet):
        place = Path(spec.path) / spec.subfolder
        names = _of_folder(place, spec)
    else:
        place = expand(spec.path)[0]
        names = _of_tar(place, spec)
    check_no_archives(names, container=f"'{place}'")
    if any(name.rpartition(".")[2].lower() in COMPANIONS for name in names):
        return None
    flat = bool(names) and not any(class_of(name, depth=1) for name in names)
    return place if flat else None


def cure_of(place: Path, name: str) -> str:
    """What gives classes to images that have none: folders, or a file that tells them."""
    told = f"+datasets.{name}.labels=… names a file that tells the class of each image"
    if place.is_dir() and next(place.glob("ILSVRC2012_val_*"), None):
        return (
            f"python -m stages.sort_validation {shlex.quote(str(place))} GROUND_TRUTH FOLDER makes "
            f"class folders of links, then datasets.{name}.path=FOLDER; or {told}"
        )
    return f"{told}; or put the images in one folder a class"


def _of_folder(place: Path, spec: FolderSet) -> list[str]:
    """Some of what lies in a folder, folders with a ``/``; without what is no image."""
    ignored = IgnoredNames(spec.ignore)
    with os.scandir(place) as listing:
        some = [(entry.name, entry.is_dir()) for entry in itertools.islice(listing, ENTRIES)]
    names = [f"{name}/" for name, is_dir in some if is_dir and not ignored.folder(name)]
    return names + [name for name, is_dir in some if not is_dir and not ignored.file(name)]


def _of_tar(place: Path, spec: TarSet) -> list[str]:
    """The first images of an archive, below its subfolder."""
    ignored, lead = IgnoredNames(spec.ignore), f"{spec.subfolder.strip('/')}/".lstrip("/")
    try:
        with tarfile.open(place) as archive:
            names = [
                name.removeprefix(lead)
                for name in itertools.islice(_members(archive, place), FIRST)
                if name.startswith(lead)
            ]
    except (tarfile.TarError, EOFError):
        return []  # the index says what is wrong with it
    return [name for name in names if not ignored.member(name)]


def _members(archive: tarfile.TarFile, place: Path) -> Iterator[str]:
    """Names of files, while little has to be unpacked for them."""
    plain = place.suffix == ".tar"
    while (member := archive.next()) and (plain or member.offset_data < MOST):
        if member.isfile():
            yield check_member(member.name, container=f"the archive '{place}'")
