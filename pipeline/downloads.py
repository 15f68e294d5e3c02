"""Files from the web: resumed where they broke off, verified, kept aside when they are wrong."""

import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.files import file_hash

BLOCK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte
SIZE_TIMEOUT = 10.0  # seconds to wait for the answer how large a file is
ATTEMPTS = 5  # in a row that bring nothing new
HEADROOM = 64 << 20  # bytes of disk to leave free
AGENT = "clip-ood-cache"

Report = Callable[[int, int | None], None]  # bytes so far, bytes in all where known


class DownloadError(RuntimeError):
    """A file cannot be had, or is not the one it should be; the message names the cure."""


@dataclass(frozen=True)
class Download:
    """One file of the web that holds a data set, as conf/downloads.yaml describes it.

    Attributes:
        file: Its name below the data root.
        url: Where it is; None where only a person can get it (licence, login).
        bytes: About how large it is, for the plan; the checksum decides, not this.
        md5: Its published MD5, or
        sha256: its published SHA-256; with neither, the hash of the first download is recorded.
        unpacks: The folder it holds, for an archive that has to be unpacked beside itself.
        licence: Under which terms it may be used.
        citation: The paper to cite.
        note: How to get it by hand, or where the checksum comes from.
    """

    file: str
    url: str | None = None
    bytes: int | None = None
    md5: str | None = None
    sha256: str | None = None
    unpacks: str | None = None
    licence: str = "not stated"
    citation: str = ""
    note: str = ""


def fetch(download: Download, folder: Path, *, report: Report | None = None) -> Path:
    """Return the verified file, downloading what is missing of it.

    A partial file is continued by an HTTP range request if the server still has the same one, and
    started anew otherwise. A file that fails verification is renamed to ``*.wrong`` and not used.

    Raises:
        DownloadError: If the file cannot be had or is wrong; what arrived so far is kept.
    """
    target = folder / download.file
    if target.is_file():
        verify(download, target)
        return target
    if download.url is None:
        raise DownloadError(f"'{download.file}' cannot be downloaded by a program: {download.note}")
    if urlsplit(download.url).scheme not in ("http", "https"):
        raise DownloadError(f"a download must be http or https, got {download.url}")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    total = _receive(download, partial, report or (lambda done, total: None))
    if total is not None and partial.stat().st_size != total:
        wrong = _aside(partial, target)
        raise DownloadError(f"{download.url} gave {wrong.stat().st_size} bytes instead of {total}")
    _refuse_web_page(download, partial, target)
    verify(download, partial, name=target)
    partial.replace(target)
    _stamp(partial).unlink(missing_ok=True)
    return target


def unpack(archive: Path, folder: str) -> Path:
    """Unpack a zip archive beside itself, once; return the folder it holds.

    Raises:
        DownloadError: If a path in it leads anywhere else.
    """
    target = archive.parent / folder
    if target.is_dir():
        return target
    partial = archive.parent / f"{folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            parts = name.replace("\\", "/").split("/")
            if name.startswith("/") or ".." in parts or parts[0] not in (folder, "__MACOSX"):
                raise DownloadError(
                    f"{archive} holds the path '{name}', not below '{folder}'; the archive "
                    "is not trusted: get a clean copy"
                )
        opened.extractall(partial)
    (partial / folder).replace(target)
    shutil.rmtree(partial)
    return target


def verify(download: Download, path: Path, *, name: Path | None = None) -> None:
    """Check a file against its published hash, or against the one recorded on first use.

    Raises:
        DownloadError: If it differs; the file is then named ``*.wrong``.
    """
    final = name or path
    record = final.with_name(final.name + ".sha256")
    kind, wanted = "sha256", download.sha256
    if wanted is None and download.md5 is not None:
        kind, wanted = "md5", download.md5
    if wanted is None and record.is_file():
        wanted = record.read_text(encoding="utf-8").split()[0]
    found = file_hash(path, kind)
    if wanted is None:
        record.write_text(f"{found}  {final.name}\n", encoding="utf-8")
    elif found != wanted:
        wrong = _aside(path, final)
        raise DownloadError(
            f"{final} must have the {kind} {wanted}, got {found}; the file is kept aside as "
            f"{wrong.name} and not used: fetch it again, or mend conf/downloads.yaml if the "
            "publisher replaced it"
        )


def with_size(download: Download) -> Download:
    """Return a download whose size is known, asked of its server where none is published.

    The question transfers no content; where it is not answered the size stays unknown.
    """
    if download.bytes is not None or download.url is None:
        return download
    request = urllib.request.Request(download.url, headers={"User-Agent": AGENT}, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=SIZE_TIMEOUT) as answer:
            length = answer.headers.get("Content-Length", "")
            is_page = answer.headers.get_content_type() == "text/html"
    except (http.client.HTTPException, OSError, ValueError):
        return download
    known = length.isdecimal() and int(length) > 0 and not is_page
    return replace(download, bytes=int(length)) if known else download


def missing_bytes(download: Download, folder: Path) -> int | None:
    """Bytes still to come; 0 for a file that is there, None where its size is not known."""
    target = folder / download.file
    if target.is_file():
        return 0
    if download.bytes is None:
        return None
    partial = target.with_name(target.name + ".partial")
    return max(0, download.bytes - (partial.stat().st_size if partial.is_file() else 0))


def _receive(download: Download, partial: Path, report: Report) -> int | None:
    """Fill the partial file, resuming as often as it goes on; return the size it should have."""
    fruitless = 0
    while True:
        before = partial.stat().st_size if partial.is_file() else 0
        try:
            return _one_request(str(download.url), partial, before, report)
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # asked for bytes beyond the end
                partial.unlink()
                continue
            raise DownloadError(
                f"{download.url} answers {error.code} {error.reason}; look for the file's new "
                f"place, put it at {partial.with_suffix('')} by hand, or mend conf/downloads.yaml"
            ) from error
        except (http.client.HTTPException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None and error.errno in (28, 122):
                raise DownloadError(f"no space left for {partial}: {error}") from error
            after = partial.stat().st_size if partial.is_file() else 0
            fruitless = 0 if after > before else fruitless + 1
            if fruitless >= ATTEMPTS:
                raise DownloadError(
                    f"{download.url} broke off after {after:,} bytes ({error}); they are kept in "
                    f"{partial.name}: run the same command again"
                ) from error
            time.sleep(0.1 * 2**fruitless)


def _one_request(url: str, partial: Path, have: int, report: Report) -> int | None:
    """Append what one answer brings; a short answer raises. Return the whole file's size."""
    request = urllib.request.Request(url, headers={"User-Agent": AGENT})
    stamp = _stamp(partial)
    known = json.loads(stamp.read_text(encoding="utf-8")) if have and stamp.is_file() else {}
    if have and known:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", known["same"])
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        resumed = answer.status == 206
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise http.client.HTTPException("the server resumed at another place")
        start = have if resumed else 0
        length = answer.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        _check_space(partial.parent, 0 if total is None else total - start)
        same = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if same and not same.startswith("W/"):
            stamp.write_text(json.dumps({"same": same}), encoding="utf-8")
        with partial.open("ab" if resumed else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                report(file.tell(), total)
            received = file.tell()
    if total is not None and received < total:
        raise http.client.IncompleteRead(b"", total - received)
    return total


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + HEADROOM > free:
        raise DownloadError(
            f"{needed:,} bytes are still to come, but {folder} has {free:,} free; free some space, "
            "or set data_root to a larger disk"
        )


def _refuse_web_page(download: Download, partial: Path, target: Path) -> None:
    with partial.open("rb") as file:
        beginning = file.read(512).lstrip().lower()
    if beginning.startswith((b"<!doctype html", b"<html", b"<?xml")):
        wrong = _aside(partial, target)
        raise DownloadError(
            f"{download.url} gave a web page, not '{target.name}' (kept as {wrong.name}); open the "
            f"address in a browser and put the file at {target}"
        )


def _aside(path: Path, target: Path) -> Path:
    """Keep a wrong file under a name that nothing reads."""
    wrong = target.with_name(target.name + ".wrong")
    path.replace(wrong)
    _stamp(target.with_name(target.name + ".partial")).unlink(missing_ok=True)
    return wrong


def _stamp(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")
