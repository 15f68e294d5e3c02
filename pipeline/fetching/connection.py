"""One answer of a server: its bytes as they come, and what ends a connection before its time."""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from typing import Any, NamedTuple

from pipeline.fetching.errors import DownloadError

BLOCK = 1 << 20  # bytes to ask for at a time
TIMEOUT = 60.0  # seconds without a byte
SIZE_TIMEOUT = 10.0  # seconds to wait for the answer how large a file is
WINDOW = 60.0  # seconds of waiting over which the rate is taken
SLOWEST = 1000  # bytes a second below which a connection counts as broken
BUSY = (408, 425, 429)  # and all from 500 on: refusals that pass
WEB = ("http://", "https://")  # what addresses begin with, and those that they redirect to
AGENT = "clip-ood-cache"


class BrokenOff(Exception):  # noqa: N818 - an event that is tried again, told to nobody
    """A connection that ended before its file did, or crawls; the next attempt may go further.

    Attributes:
        slow: Whether it was given up because it crawled.
        busy: Whether the server answered that it has no time now.
        wait: Seconds after which the server asks to come back.
    """

    def __init__(
        self, reason: str, *, slow: bool = False, busy: bool = False, wait: float = 0.0
    ) -> None:
        """Say why, in words that fit between brackets."""
        super().__init__(" ".join(reason.split()))
        self.slow, self.busy, self.wait = slow, busy, wait


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows no redirect out of the web: the library would go to ftp:// too."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to go on with; None, and the answer counts as an error."""
        if not newurl.startswith(WEB):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def ask(url: str, headers: Mapping[str, str]) -> HTTPResponse:
    """Open an address and return the answer, its body still to come.

    Raises:
        BrokenOff: If the server cannot be reached, or has no time now.
        HTTPError: If it refuses for good.
        DownloadError: If the address is none.
    """
    try:
        request = urllib.request.Request(url, headers={"User-Agent": AGENT, **headers})
        return _open(request, TIMEOUT)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        if refusal.code not in BUSY and refusal.code < 500:
            raise
        wait = _asked_wait(refusal.headers.get("Retry-After") or "")
        reason = f"answers {refusal.code} {refusal.reason}"
        raise BrokenOff(reason, busy=True, wait=wait) from refusal
    except (http.client.InvalidURL, ValueError) as error:
        raise DownloadError(
            f"{url} must be an address of the web ({error}); mend conf/downloads.yaml"
        ) from error
    except (http.client.HTTPException, OSError) as error:
        raise BrokenOff(str(getattr(error, "reason", error))) from error


def _open(request: urllib.request.Request, timeout: float) -> HTTPResponse:
    return urllib.request.build_opener(_WebOnly).open(request, timeout=timeout)


def _asked_wait(after: str) -> float:
    """Seconds that ``Retry-After`` asks for, as a number or as a date; 0 where it is neither."""
    if after.isascii() and after.strip().isdecimal():
        return float(after)
    try:
        return max(0.0, parsedate_to_datetime(after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def stated_length(answer: HTTPResponse) -> int | None:
    """Bytes that the answer says it has; None where it does not, or says no number."""
    length = answer.headers.get("Content-Length", "").strip()
    return int(length) if length.isascii() and length.isdecimal() else None


class Part(NamedTuple):
    """Which bytes of a file an answer brings: from start up to end, of total where it is told."""

    start: int
    end: int
    total: int | None


def stated_part(answer: HTTPResponse) -> Part | None:
    """The part that ``Content-Range`` names; None where it names none that can be."""
    said = re.fullmatch(
        r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", "").strip(), re.ASCII
    )
    if said is None:
        return None
    total = None if said[3] == "*" else int(said[3])
    part = Part(int(said[1]), int(said[2]) + 1, total)
    return part if part.start < part.end and (total is None or part.end <= total) else None


def blocks(answer: HTTPResponse, length: int | None) -> Iterator[bytes]:
    """Yield the bytes of an answer as they arrive: none waits for others that may never come.

    Args:
        answer: What `ask` returned.
        length: Bytes it states; with None it ends where the connection does.

    Raises:
        BrokenOff: If it ends early, or brings less than `SLOWEST` over `WINDOW` of waiting.
    """
    left, waited, came = length, 0.0, 0
    while left is None or left > 0:
        asked = time.monotonic()
        try:
            block = answer.read1(BLOCK if left is None else min(BLOCK, left))
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise BrokenOff(str(error) or type(error).__name__) from error
        waited, came = waited + time.monotonic() - asked, came + len(block)
        if not block:
            break
        yield block
        left = None if left is None else left - len(block)
        if waited >= WINDOW:
            if came < SLOWEST * waited and left != 0:
                raise BrokenOff(f"only {came:,} bytes in {waited:.0f} s", slow=True)
            waited, came = 0.0, 0
    if left:
        raise BrokenOff(f"{left:,} bytes less than the server stated")


def size_of(url: str) -> int | None:
    """Ask a server how large a file is; None where it does not tell. Transfers no content."""
    request = urllib.request.Request(url, headers={"User-Agent": AGENT}, method="HEAD")
    try:
        with _open(request, SIZE_TIMEOUT) as answer:
            is_page = answer.headers.get_content_type() == "text/html"
            return None if is_page else stated_length(answer) or None
    except (http.client.HTTPException, OSError, ValueError):
        return None
