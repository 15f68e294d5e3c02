"""The files of data sets: used where they are, else downloaded, and verified either way."""

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.download_errors import DownloadError, reading, writing
from pipeline.download_locks import only_one
from pipeline.downloaded_archives import damage, unpacked
from pipeline.files import file_hash, write_text
from pipeline.partial_files import discard, forget, partial_of, size
from pipeline.transfer import Report, receive, size_of

PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<!--")


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
    images: int | None = None
    classes: int | None = None
    licence: str = "not stated"
    citation: str = ""
    note: str = ""


def find(download: Download, folder: Path) -> Path | None:
    """Return what is there of it: its file, the folder it unpacks to, or a folder made by hand.

    Raises:
        DownloadError: If the place may not be read.
    """
    target = folder / download.file
    with reading(target):
        if download.unpacks and (there := unpacked(target, download.unpacks)):
            return there
        by_hand = download.url is None and target.is_dir() and any(target.iterdir())
        return target if by_hand or target.is_file() else None


def fetch(download: Download, folder: Path, *, report: Report | None = None) -> Path:
    """Return what is there, a file verified; else download what is missing of it.

    What was there before is only read: a wrong file is named and left as it is. A partial file is
    continued by an HTTP range request if the server still has the same one or a published checksum
    will tell, and started anew otherwise. A download that fails verification is renamed to
    ``*.wrong`` and not used.

    Raises:
        DownloadError: If the file cannot be had or is wrong; what arrived so far is kept.
    """
    target = folder / download.file
    if there := find(download, folder):
        return _used(download, there, target)
    if gone := dangling(target, folder):
        raise DownloadError(gone)
    if download.url is None:
        raise DownloadError(f"'{download.file}' cannot be downloaded by a program: {download.note}")
    if not download.url.startswith(("http://", "https://")):
        raise DownloadError(f"a download must be http or https, got {download.url}")
    if target.is_dir():
        raise DownloadError(f"{target} must be a file, it is a folder; move it away")
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    with only_one(target, doing="downloaded"):
        if there := find(download, folder):  # another process was faster
            return _used(download, there, target)
        _download(download, download.url, target, report or (lambda done, total: None))
    return target


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


def _used(download: Download, there: Path, target: Path) -> Path:
    """Return what is there, a file verified."""
    if there.is_file() and (wrong := difference(download, there, target)):
        raise DownloadError(
            f"{there} {wrong}; it was there before and is left as it is: move it away and fetch it "
            "again, give another copy by datasets.<name>.path, or mend conf/downloads.yaml (or "
            f"{target.name}.sha256) if the publisher replaced it"
        )
    return there


def difference(download: Download, path: Path, target: Path) -> str | None:
    """Say how a file differs from what was published, or recorded on first use; None if it agrees.

    Where neither tells a hash, an archive has to be whole.
    """
    with reading(path):
        wanted = _published(download)
        if wanted is None and (record := _record(target)).is_file():
            wanted = "sha256", (record.read_text(encoding="utf-8").split() or [""])[0]
        if wanted is None:
            return damage(path, name=target.name) if path.stat().st_size else "is empty"
        kind, digest = wanted
        found = file_hash(path, kind)
    return None if found == digest else f"must have the {kind} {digest}, got {found}"


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


def _download(download: Download, url: str, target: Path, report: Report) -> None:
    """Bring a file to its place; where the parts did not fit together, once more from the start.

    Raises:
        DownloadError: If it cannot be had, or is not what it should be and was kept aside.
    """
    partial = partial_of(target)
    for last in (False, True):
        got = receive(url, partial, report, proven=_published(download) is not None)
        fault = _fault(download, url, target, got.total)
        if fault is None or last or not got.blind:
            break
        discard(partial)
    if fault:
        if size(partial):
            with writing(target):
                partial.replace(_wrong(target))
        discard(partial)
        raise DownloadError(fault)
    with writing(target):
        if _published(download) is None:
            write_text(_record(target), f"{file_hash(partial)}  {target.name}\n")
        partial.replace(target)
    forget(partial)


def _fault(download: Download, url: str, target: Path, total: int | None) -> str | None:
    """Say what is wrong with a file that came, and the cure; None for the right one."""
    partial, wrong = partial_of(target), _wrong(target).name
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


def _published(download: Download) -> tuple[str, str] | None:
    if download.sha256 is not None:
        return "sha256", download.sha256
    return None if download.md5 is None else ("md5", download.md5)


def _record(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _wrong(target: Path) -> Path:
    """The name of a wrong download, which nothing reads."""
    return target.with_name(target.name + ".wrong")
