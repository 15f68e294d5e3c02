"""One file over HTTP: continued where it broke off, given up when nothing new comes."""

import shlex
import shutil
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from pipeline.fetching.connection import (
    BLOCK,
    SLOWEST,
    WINDOW,
    BrokenOff,
    ask,
    blocks,
    stated_length,
    stated_part,
)
from pipeline.fetching.errors import DownloadError, writing
from pipeline.fetching.partial_files import begin, discard, is_of_another, origin, size

ATTEMPTS = 5  # in a row that bring nothing new
PATIENCE = 120.0  # seconds that a busy server may ask to wait
HEADROOM = 64 << 20  # bytes of disk to leave free

Report = Callable[[int, int | None], None]  # bytes so far, bytes in all where known


@dataclass(frozen=True)
class Received:
    """A file that came to its end.

    Attributes:
        total: Bytes that it should have; None where the server does not say it.
        blind: Whether it was continued though nothing tells that it was the same file before.
    """

    total: int | None
    blind: bool


def receive(url: str, partial: Path, report: Report, *, proven: bool = False) -> Received:
    """Fill a partial file, resuming as often as it goes on.

    It goes on while it gets further than ever before: a server that cannot resume and breaks off
    now here, now there is given up.

    Args:
        url: Where the file is.
        partial: Its beginning, or nothing yet.
        report: Told how far it is.
        proven: Whether a checksum will tell if the parts fit together; then a file is continued
            too where the server says nothing of it.

    Raises:
        DownloadError: If the file cannot be had; what arrived so far is kept.
    """
    furthest, fruitless = 0, 0
    while True:
        same = origin(partial)
        before = size(partial) if same or proven else 0
        furthest = max(furthest, before)
        try:
            return _one_request(url, partial, before, same, report)
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # asked for bytes beyond the end
                if error.headers.get("Content-Range") == f"bytes */{before}":
                    return Received(before, blind=not same)  # what follows was interrupted
                discard(partial)
                continue
            what = f"answers {error.code} {error.reason}"
            if 300 <= error.code < 400:  # the library's own text has several lines
                what = f"redirects in a circle, or to no place of the web ({error.code})"
            raise DownloadError(
                f"{url} {what}; look for the file's new place, put it at "
                f"{partial.with_suffix('')} by hand, or mend conf/downloads.yaml"
            ) from error
        except BrokenOff as broken:
            after = size(partial)
            enough = SLOWEST * WINDOW if broken.slow else 0
            fruitless = 0 if after > furthest + enough else fruitless + 1
            furthest = max(furthest, after)
            if fruitless >= ATTEMPTS or broken.wait > PATIENCE:
                raise DownloadError(_given_up(url, partial, after, broken)) from broken
            time.sleep(max(broken.wait, (1.0 if broken.busy else 0.1) * 2**fruitless))


def _one_request(url: str, partial: Path, have: int, same: str | None, report: Report) -> Received:
    """Append what one answer brings, or begin anew; a short answer raises."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and same:
        headers["If-Range"] = same
    with ask(url, headers) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise DownloadError(
                f"{url} gave a web page, not '{partial.stem}'; open the address in a browser and "
                f"put the file at {partial.with_suffix('')}"
            )
        _check_plain(answer, url, partial.with_suffix(""))
        start, length = 0, stated_length(answer)
        total = length
        if answer.status == 206:
            part = stated_part(answer)
            if part is None or part.start != have:
                raise BrokenOff("the server resumed at another place")
            if have and is_of_another(partial, answer, part.total):
                discard(partial)
                raise BrokenOff("the server has another file by now")
            start, length, total = have, part.end - have, part.total or part.end
        folder = partial.parent
        check_space(folder, (total or 0) - start, shutil.disk_usage(folder).free)
        if not start:
            begin(partial, answer, total)
        # What arrived reaches the disk however the block ends.
        with writing(partial), partial.open("ab", buffering=BLOCK) as file:
            for block in blocks(answer, length):
                file.write(block)
                report(file.tell(), total)
            if total is not None and file.tell() < total:
                raise BrokenOff("the server gives the file in parts")
    return Received(total, blind=start > 0 and not same)


def _check_plain(answer: HTTPResponse, url: str, target: Path) -> None:
    """Refuse a file that the server packed, though not asked to; that of a .gz may mean its own."""
    encoding = answer.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity" and target.suffix not in (".gz", ".tgz"):
        raise DownloadError(
            f"{url} gives '{target.name}' packed by {encoding}, which is not undone here; get it "
            f"by curl --compressed -o {shlex.quote(str(target))} {shlex.quote(url)}"
        )


def _given_up(url: str, partial: Path, have: int, broken: BrokenOff) -> str:
    if broken.busy:
        when = f"after {broken.wait:,.0f} s" if broken.wait > PATIENCE else "later"
        kept = f"{have:,} bytes are kept in {partial.name}" if have else "nothing came"
        return f"{url} {broken}, for now; {kept}: run the same command again {when}"
    if not have:
        return (
            f"{url} brings nothing ({broken}); see that this machine reaches the network and run "
            f"the same command again, or put the file at {partial.with_suffix('')} by hand"
        )
    return (
        f"{url} broke off after {have:,} bytes ({broken}); they are kept in {partial.name}: run "
        "the same command again"
    )


def check_space(
    folder: Path,
    needed: int,
    free: int,
    *,
    cure: str = "free some space, or set data_root to a larger disk",
) -> None:
    """Refuse what would fill the disk of a folder; `HEADROOM` bytes stay free.

    Raises:
        DownloadError: If more bytes are needed than are free for it.
    """
    if needed + HEADROOM > free:
        raise DownloadError(
            f"{needed:,} bytes are still to come and {HEADROOM:,} are to stay free, but {folder} "
            f"has {free:,} free; {cure}"
        )
