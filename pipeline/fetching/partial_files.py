"""The beginning of a file that is still to come: how much there is, and of which file it is."""

import json
from http.client import HTTPResponse
from pathlib import Path

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
    try:
        same = json.loads(_note(partial).read_text(encoding="utf-8"))["same"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return same if isinstance(same, str) else None


def begin(partial: Path, answer: HTTPResponse) -> None:
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
            write_text(_note(partial), json.dumps({"same": same}))


def forget(partial: Path) -> None:
    """Drop what is known of its origin."""
    with writing(partial):
        _note(partial).unlink(missing_ok=True)


def discard(partial: Path) -> None:
    """Drop the bytes, and what is known of them."""
    with writing(partial):
        partial.unlink(missing_ok=True)
    forget(partial)


def _note(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")
