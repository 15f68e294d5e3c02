"""One file that holds a data set: how it can be had, and what is there of it."""

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.fetching.archives import unpacked
from pipeline.fetching.connection import size_of
from pipeline.fetching.errors import reading
from pipeline.fetching.partial_files import partial_of, size


@dataclass(frozen=True)
class Download:
    """One file of the web that holds a data set, as conf/downloads.yaml describes it.

    Attributes:
        file: Its name below the data root.
        url: Where it is; None where only a person can get it (licence, login).
        bytes: How large it is, for the plan; the checksum decides, not this.
        rounded: Whether `bytes` is rounded, or that of another archive of the same images.
        md5: Its published MD5, or
        sha256: its published SHA-256; with neither, the hash of the first download is recorded.
        unpacks: The folder it holds, for an archive that has to be unpacked beside itself.
        holds: The folder it holds, for one that need not, where nothing else tells its name.
        part_of: The folder that a data set names to read this file and others; below the data root.
        images: How many images a folder holds that is made by hand,
        classes: in how many class folders.
        licence: Under which terms it may be used.
        citation: The paper to cite.
        note: How to get it by hand, or where the checksum comes from.
    """

    file: str
    url: str | None = None
    bytes: int | None = None
    rounded: bool = False
    md5: str | None = None
    sha256: str | None = None
    unpacks: str | None = None
    holds: str | None = None
    part_of: str | None = None
    images: int | None = None
    classes: int | None = None
    licence: str = "not stated"
    citation: str = ""
    note: str = ""


def find(download: Download, folder: Path) -> Path | None:
    """Return what is there of it: its file, what it unpacks to, or a folder made by hand.

    Raises:
        DownloadError: If the place may not be read.
    """
    target = folder / download.file
    with reading(target):
        if download.unpacks and (there := unpacked(target, download.unpacks)):
            return there
        plain = target.with_suffix("")  # a folder's reader takes either
        if download.part_of and target.suffix == ".gz" and not target.is_file() and plain.is_file():
            return plain
        by_hand = download.url is None and target.is_dir() and any(target.iterdir())
        return target if by_hand or target.is_file() else None


def dangling(target: Path, folder: Path) -> str | None:
    """Say which link on the way to a file leads nowhere: a download must not take its place."""
    with reading(target):
        for place in (target, *target.parents):
            if place.is_symlink() and not place.exists():
                return (
                    f"{place} is a link to {place.readlink()}, which is not there; mount the disk "
                    "that it is on, or remove the link"
                )
            if place == folder:
                break
    return None


def with_size(download: Download) -> Download:
    """Return a download whose size is known, asked of its server where none is published.

    The question transfers no content; where it is not answered the size stays unknown.
    """
    if download.bytes is not None or download.url is None:
        return download
    return replace(download, bytes=size_of(download.url))


def missing_bytes(download: Download, folder: Path) -> int | None:
    """Bytes still to come; 0 for what is there, None where its size is not known."""
    if find(download, folder):
        return 0
    if download.bytes is None:
        return None
    return max(0, download.bytes - size(partial_of(folder / download.file)))
