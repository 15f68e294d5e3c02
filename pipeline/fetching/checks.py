"""Whether a file is the right one: by a published or recorded hash, else by being whole."""

import re
from pathlib import Path

from pipeline.fetching.archives import damage
from pipeline.fetching.entry import Download
from pipeline.fetching.errors import DownloadError, reading, writing
from pipeline.fetching.partial_files import partial_of
from pipeline.files import file_hash, write_text

PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<!--")


def difference(download: Download, path: Path, target: Path) -> str | None:
    """Say how a file differs from what was published, or recorded on first use; None if it agrees.

    Where neither tells a hash, an archive has to be whole.
    """
    with reading(path):
        if path.stat().st_size == 0:
            return "is empty"
        if (wanted := told_hash(download, target)) is None:
            return damage(path, name=target.name)
        kind, digest = wanted
        found = file_hash(path, kind)
    return None if found == digest else f"must have the {kind} {digest}, got {found}"


def told_hash(download: Download, target: Path) -> tuple[str, str] | None:
    """The kind and digits of the hash that was published, or recorded on first use, if any was.

    Raises:
        DownloadError: If the record is no hash.
    """
    if download.sha256 is not None:
        return "sha256", download.sha256
    if download.md5 is not None:
        return "md5", download.md5
    record = _record(target)
    with reading(record):
        if not record.is_file():
            return None
        digest = (record.read_text(encoding="utf-8", errors="replace").split() or [""])[0]
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise DownloadError(
            f"{record} must begin with a sha256, got '{digest[:70]}'; remove it, and the hash of "
            "the file is recorded when it is fetched again"
        )
    return "sha256", digest


def record_hash(download: Download, target: Path) -> None:
    """Note the hash of a first download that nobody published, beside the place of the file."""
    with writing(target):
        if told_hash(download, target) is None:
            write_text(_record(target), f"{file_hash(partial_of(target))}  {target.name}\n")


def fault(download: Download, url: str, target: Path, total: int | None) -> str | None:
    """Say what is wrong with a partial file that came to its end, and the cure; None if nothing.

    Args:
        download: What it should be.
        url: Where it came from.
        target: Where it will be.
        total: Bytes that it should have, where the server said it.
    """
    partial, wrong = partial_of(target), wrong_of(target).name
    with reading(partial):
        came = partial.stat().st_size
        with partial.open("rb") as file:
            beginning = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if came == 0:
        return f"{url} gave an empty file; try again later, or put the file at {target} by hand"
    if total is not None and came != total:
        return f"{url} gave {came:,} bytes instead of {total:,}; see {wrong}"
    if beginning.startswith(PAGES):
        return (
            f"{url} gave a web page, not '{target.name}' (kept as {wrong}); open the address in a "
            f"browser and put the file at {target}"
        )
    if bad := difference(download, partial, target):
        return (
            f"{target} {bad}; the download is kept aside as {wrong} and not used: fetch it again, "
            f"or mend conf/downloads.yaml (or {target.name}.sha256) if the publisher replaced it"
        )
    return None


def wrong_of(target: Path) -> Path:
    """The name of a wrong download, which nothing reads."""
    return target.with_name(target.name + ".wrong")


def _record(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")
