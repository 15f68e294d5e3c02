"""The beginning of a file that is still to come: how much there is, and of which file it is."""

import json
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from pipeline.fetching.errors import reading, writing
from pipeline.files import write_text


def partial_of(target: Path) -> Path:
    """Where a file lies until it is whole."""
    return target.with_name(target.name + ".partial")


def size(partial: Path) -> int:
    """Bytes that are there."""
    with reading(partial):
        return partial.stat().st_size if partial.is_file() else 0


def origin(partial: Path) -> str | None:
    """What its server said of the file that this is the beginning of; None where nobody knows.

    Half a note, as a process leaves that is killed, tells nothing.
    """
    same = _noted(partial).get("same")
    return same if isinstance(same, str) else None


def is_of_another(partial: Path, answer: HTTPResponse, total: int | None) -> bool:
    """Whether an answer that continues a partial file belongs to another file, by what was noted.

    Not every server heeds ``If-Range``. One that leaves out what was noted is believed.
    """
    noted = _noted(partial)
    same, before = noted.get("same"), noted.get("total")
    if None not in (total, before) and total != before:
        return True
    tag = isinstance(same, str) and same.startswith('"')
    return same not in (None, answer.headers.get("ETag" if tag else "Last-Modified", same))


def begin(partial: Path, answer: HTTPResponse, total: int | None) -> None:
    """Empty a partial file, then note what tells whether a server still has the same file.

    In this order: bytes of one file must never lie beside the note of another. A weak ETag cannot
    tell.
    """
    etag = answer.headers.get("ETag", "")
    same = answer.headers.get("Last-Modified") if etag.startswith("W/") or not etag else etag
    with writing(partial):
        partial.write_bytes(b"")
    forget(partial)
    if same:
        with writing(partial):
            write_text(_note(partial), json.dumps({"same": same, "total": total}))


def forget(partial: Path) -> None:
    """Drop what is known of its origin."""
    with writing(partial):
        _note(partial).unlink(missing_ok=True)


def discard(partial: Path) -> None:
    """Drop the bytes, and what is known of them."""
    with writing(partial):
        partial.unlink(missing_ok=True)
    forget(partial)


def _noted(partial: Path) -> dict[str, Any]:
    try:
        noted = json.loads(_note(partial).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _note(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")
