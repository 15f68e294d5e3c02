"""The files of data sets: used where they are, else downloaded, and verified either way."""

from pathlib import Path

from pipeline.fetching.checks import difference, fault, record_hash, told_hash, wrong_of
from pipeline.fetching.connection import WEB
from pipeline.fetching.entry import Download, dangling, find
from pipeline.fetching.errors import DownloadError, writing
from pipeline.fetching.locks import only_one
from pipeline.fetching.partial_files import discard, forget, partial_of, size
from pipeline.fetching.transfer import Report, receive


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
    if not download.url.startswith(WEB):
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


def _used(download: Download, there: Path, target: Path) -> Path:
    """Return what is there, a file verified; no checksum is known of what it unpacks to."""
    if there == target and there.is_file() and (wrong := difference(download, there, target)):
        raise DownloadError(
            f"{there} {wrong}; it was there before and is left as it is: move it away and fetch it "
            "again, give another copy by datasets.<name>.path, or mend conf/downloads.yaml (or "
            f"{target.name}.sha256) if the publisher replaced it"
        )
    return there


def _download(download: Download, url: str, target: Path, report: Report) -> None:
    """Bring a file to its place; where the parts did not fit together, once more from the start.

    Raises:
        DownloadError: If it cannot be had, or is not what it should be and was kept aside.
    """
    partial, proven = partial_of(target), told_hash(download, target) is not None
    for last in (False, True):
        got = receive(url, partial, report, proven=proven)
        wrong = fault(download, url, target, got.total)
        if wrong is None or last or not got.blind:
            break
        discard(partial)
    if wrong:
        if size(partial):
            with writing(target):
                partial.replace(wrong_of(target))
        discard(partial)
        raise DownloadError(wrong)
    record_hash(download, target)
    with writing(target):
        partial.replace(target)
    forget(partial)
