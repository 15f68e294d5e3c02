"""Samples of a WebDataset shard: an image, and what stands beside it under the same key.

By its convention the key is a member's path up to the first dot of its name, and the last part of
the rest tells what the member is: ``0001.jpg``, ``0001.seg.png``, ``0001.label.cls``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from pipeline.sources.ignored import IMAGES
from pipeline.sources.spec import SourceError

# What the `webdataset` library decodes as something else than an image, and what others write.
_KINDS = """
    cls cls2 class count index inx id txt text transcript caption url json jsn
    npy npz pyd pickle pkl pt pth ten tenbin tb mp msg msgpack cbor
"""
COMPANIONS = frozenset(_KINDS.split())


class Sample(NamedTuple):
    """An image's path, and the paths of its companions by the last part of their extension."""

    image: str
    companions: Mapping[str, Sequence[str]]


@dataclass
class _Members:
    """Paths under one key."""

    images: list[str] = field(default_factory=list)
    companions: dict[str, list[str]] = field(default_factory=dict)


def samples(names: Sequence[str], *, container: str) -> list[Sample]:
    """Pair images with what belongs to them.

    Of a folder tree every file is a sample of its own, whatever dots its name has. A companion of
    no image counts as an image itself, and will be reported as a bad one.

    Args:
        names: Paths in an archive.
        container: The archive, in errors.

    Raises:
        SourceError: If a key has several images: masks would be taken for images.
    """
    keys: dict[str, _Members] = {}
    for name in names:
        key, extension = _split(name)
        kind = extension.rpartition(".")[2].lower()
        members = keys.setdefault(key, _Members())
        if kind in COMPANIONS:
            members.companions.setdefault(kind, []).append(name)
        else:
            members.images.append(name)
    _check_one_image(keys, container)
    found: list[Sample] = []
    for members in keys.values():
        found += [Sample(image, members.companions) for image in members.images]
        if not members.images:
            found += [Sample(name, {}) for held in members.companions.values() for name in held]
    return found


def plain_or_all(names: Sequence[str]) -> list[str]:
    """Of several companions of a kind the one called key.kind alone, if there is one."""
    return [name for name in names if "." not in _split(name)[1]] or list(names)


def several(what: str, names: Sequence[str], *, container: str) -> SourceError:
    """Say that a key has several of what it may have one, and how to leave some out."""
    key = _split(names[0])[0]
    kept = plain_or_all(names)[0]
    others = [name for name in names if name != kept]
    patterns = ", ".join(f"'*.{_split(name)[1]}'" for name in others)
    return SourceError(
        f"{container} holds several {what} under the key '{key}': '{kept}', "
        f"{', '.join(map(repr, others))}. A sample of a WebDataset shard has one, and its key ends "
        f"at the first dot; leave the others out by name, as by ignore: [{patterns}], or unpack a "
        "folder tree whose names have dots, and use the folder"
    )


def _split(name: str) -> tuple[str, str]:
    """Key and extension of a path."""
    folder, slash, file = name.rpartition("/")
    stem, _, extension = file.partition(".")
    return f"{folder}{slash}{stem}", extension


def _check_one_image(keys: Mapping[str, _Members], container: str) -> None:
    """Tell shards from trees: by a companion, or as all samples have several images, one plain."""
    shared = []
    every = [members for members in keys.values() if members.images]
    for members in every:
        images = [n for n in members.images if PurePosixPath(n).suffix.lower() in IMAGES]
        if len(images) > 1 and members.companions:
            raise several("images", images, container=container)
        if len(images) > 1 and any("." not in _split(name)[1] for name in images):
            shared.append(images)
    if len(shared) == len(every) > 1:
        raise several("images", shared[0], container=container)
