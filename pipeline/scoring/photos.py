"""Photos to score: files, folders, archives or pictures in memory, each with a name to show."""

import dataclasses
import io
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from pipeline.indexing.indexing import list_images
from pipeline.params import load_yaml
from pipeline.sources import Entry, RowsSet, Source, SourceError, read_spec
from pipeline.sources.ignored import left_out
from pipeline.sources.patterns import is_pattern
from pipeline.sources.read_spec import SUFFIXES

Photo = str | Path | bytes | Image.Image
_TIFF = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "I;16", "F")


@dataclass(frozen=True)
class Photos:
    """Images of one source in the order of their rows.

    Attributes:
        source: Where the bytes come from.
        paths: As the source knows the images.
        names: As the user does.
        left_out: What a folder or archive holds besides, by its names, in words; "" if nothing.
    """

    source: Source
    paths: Sequence[str]
    names: Sequence[str]
    left_out: str = ""


@dataclass(frozen=True)
class GivenFiles:
    """Single files as a source.

    Attributes:
        paths: In the order that they were given.
        held: Bytes of files that are in memory, by name.
        broken: Why others cannot be had.
    """

    paths: Sequence[str]
    held: Mapping[str, bytes] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    def entries(self) -> list[Entry]:
        """All files, none of a class."""
        return [Entry(path, "") for path in self.paths]

    def class_order(self) -> None:
        """None: there are no classes."""

    def read(self, path: str) -> bytes:
        """The bytes of one file.

        Raises:
            SourceError: If it is a pipe, a device or a folder, or a broken picture.
        """
        if path in self.broken:
            raise SourceError(self.broken[path])
        if path in self.held:
            return self.held[path]
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise SourceError(f"'{path}' must be a regular file; leave it out")
        return Path(path).read_bytes()


def find_photos(places: Sequence[str]) -> list[Photos]:
    """List what the arguments of a command name, in their order.

    Args:
        places: Image files; folders of any depth and archives, whose images come sorted by path; or
            entries of ``datasets`` in YAML, ``{source: list, path: a.txt, root: photos}``.

    Raises:
        SourceError: If a place does not exist or holds no image.
        ValueError: If an entry is none.
    """
    found: list[Photos] = []
    loose: list[str] = []
    for place in places:
        if _is_image_file(place):
            loose.append(place)
            continue
        found += _given(loose)
        loose = []
        found.append(_listed(place))
    return found + _given(loose)


def given_photos(photos: Sequence[Any], *, exif: str) -> Photos:
    """Name pictures that a program holds: a path by itself, others by their position.

    Args:
        photos: Paths, bytes of image files, or Pillow images in any mode.
        exif: ``images.exif``; Pillow images are turned by it here.

    Raises:
        ValueError: If one is something else.
    """
    names: list[str] = []
    held: dict[str, bytes] = {}
    broken: dict[str, str] = {}
    for position, photo in enumerate(photos):
        name = str(photo) if isinstance(photo, str | Path) else f"photo {position}"
        names.append(name)
        if isinstance(photo, bytes):
            held[name] = photo
        elif isinstance(photo, Image.Image):
            try:
                held[name] = as_file(photo, exif=exif)
            except Exception as error:  # decoded only now, by whatever stumbles over it
                broken[name] = str(error) or type(error).__name__
        elif not isinstance(photo, str | Path):
            raise ValueError(
                "photos must be paths, bytes of image files or Pillow images, got a "
                f"{type(photo).__name__} at position {position}"
            )
    return Photos(GivenFiles(names, held, broken), names, names)


def as_file(image: Image.Image, *, exif: str) -> bytes:
    """A file that decodes to the same pixels in the same mode, so that one decoder sees all.

    Modes that no file has become RGB.
    """
    turned = ImageOps.exif_transpose(image) if exif == "apply" else image
    kept = turned if turned.mode in _TIFF else turned.convert("RGB")
    stream = io.BytesIO()
    kept.save(stream, "BMP" if kept.mode == "RGB" else "TIFF", exif=b"")
    return stream.getvalue()


def _is_image_file(place: str) -> bool:
    """Whether a place is one file that is no archive."""
    return Path(place).is_file() and not place.lower().endswith(tuple(SUFFIXES))


def _given(paths: Sequence[str]) -> list[Photos]:
    return [Photos(GivenFiles(paths), paths, paths)] if paths else []


def _listed(place: str) -> Photos:
    """The images of a folder, an archive, or an entry of ``datasets``."""
    entry = load_yaml(place) if place.lstrip().startswith("{") else {"path": place}
    if entry == {"path": place} and not (Path(place).exists() or is_pattern(place)):
        raise SourceError(
            f"'{place}' must be an image, a folder or an archive, but is not there; mend the path"
        )
    spec = dataclasses.replace(read_spec("photos", entry, data_root=Path()), classes=False)
    if isinstance(spec, RowsSet):
        raise SourceError(f"'{place}' holds features; photos are scored here, so name images")
    entries, _, source = list_images(place, spec)
    paths = [entry.path for entry in entries]
    names = [f"{spec.path.rstrip('/')}/{path}" for path in paths]
    return Photos(source, paths, names, left_out(source))
