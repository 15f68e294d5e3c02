"""What is there, what will be downloaded and what needs a person, as text."""

import os
import shlex
import shutil
from pathlib import Path

from pipeline.fetching.errors import DownloadError, reading
from pipeline.fetching.wanted_files import Wanted


def plan_lines(wanted: list[Wanted], root: Path) -> list[str]:
    """The plan: three lines a file and one of doubt, then what there is to download, and space."""
    lines = [f"data root {root.resolve()}"]
    to_come, unknown, unpacked = 0, 0, 0
    for item in wanted:
        download, state = item.download, item.state(root)
        if download.url and state != "there":
            missing = download.bytes if state == "doubtful" else item.bytes_to_come(root)
            to_come += missing or 0
            unknown += missing is None
            unpacked += state == "unpacked"
        size = "size unknown" if download.bytes is None else f"{download.bytes / 1e6:,.0f} MB"
        check = next((k for k in ("sha256", "md5") if getattr(download, k)), "hash on first use")
        kind = f"{size}, {check}" if download.url else "a folder made by hand"
        lines += [
            f"{state:8} {download.file} ({kind}) for {', '.join(item.datasets)}",
            *(f"         {line}" for line in _remarks(item, root)),
            f"         {download.url or download.note}",
            f"         licence: {download.licence}; cite: {download.citation}",
        ]
    more = f" and {unknown} files of unknown size" if unknown else ""
    more += f"; unpacked already: {unpacked}" if unpacked else ""
    try:
        free = f"{free_bytes(root) / 1e6:,.0f} MB"
    except DownloadError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        free = "not known"  # each file is told to be out of reach
    lines.append(f"to download: {to_come / 1e6:,.0f} MB{more}; free on disk: {free}")
    if (to_come or unknown) and root.is_dir() and not os.access(root, os.W_OK):
        lines.append(
            f"{root.resolve()} is read-only: set data_root to a folder of yours, and link into it "
            f"what lies here: cp -rs {shlex.quote(str(root.resolve()))}/. <that folder>"
        )
    return lines


def _remarks(item: Wanted, root: Path) -> list[str]:
    if denied := item.denied(root):
        return [denied]
    if doubt := item.doubt(root):
        return [doubt]
    if item.state(root) == "unpacked":
        return [item.use_of_unpacked(root)]
    return []


def free_bytes(root: Path) -> int:
    """Return the free space of the disk where the data root is, or will be.

    Raises:
        DownloadError: If it is no folder, or may not be looked at.
    """
    with reading(root):
        folder = root.resolve()
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        if not existing.is_dir():
            raise DownloadError(f"data_root must be a folder, {existing} is a file; name another")
        return shutil.disk_usage(existing).free
