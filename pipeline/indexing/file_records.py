"""What a data set in place is made of, as one small record that changes when its files do."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.indexing.file_states import file_states
from pipeline.indexing.set_files import holding_files, image_files, list_files
from pipeline.json_text import json_digest
from pipeline.sources import ImageSet, Source, SourceError


class NoFilesError(SourceError):
    """A place without a file: perhaps a disk that is not mounted."""


class FileRecord(NamedTuple):
    """The files of a data set, by what the disk says of them.

    Attributes:
        entry: SHA-256 of the entry of ``datasets`` that was followed.
        files: How many there are.
        bytes: How large they are together.
        state: SHA-256 of their names, sizes and times.
    """

    entry: str
    files: int
    bytes: int
    state: str

    def text(self, **further: str) -> str:
        """Return the record as JSON, with further fields behind its own."""
        return json.dumps(self._asdict() | further, indent=1) + "\n"


def file_record(spec: ImageSet, entry: str) -> FileRecord:
    """Look at every file of a data set without reading it.

    Args:
        spec: The data set, its paths found.
        entry: What `entry_digest` says of its entry.

    Raises:
        NoFilesError: If there is no image file at all.
        SourceError: If the files cannot be listed.
    """
    images = image_files(spec)
    named = [*images, *list_files(spec)]
    states = file_states([path for _, path in named])
    if not any(states[: len(images)]):
        raise NoFilesError(f"'{spec.path}' holds no file")
    sizes = [state.size for state in states if state]
    digest = _digest((name for name, _ in named), states)
    return FileRecord(entry, len(named), sum(sizes), digest)


def written_digest(spec: ImageSet, source: Source, paths: Sequence[str]) -> str:
    """Return a SHA-256 of sizes and times of writing, for images that are not hashed themselves.

    Where the system's own time of change counts too, as in `file_record`, files would be others as
    soon as somebody may read them.

    Args:
        spec: The data set.
        source: It, opened.
        paths: Its images.
    """
    files = holding_files(source, paths)
    named = list(zip(paths, files, strict=True)) if files else image_files(spec)
    states = file_states([path for _, path in named])
    return _digest((name for name, _ in named), [state and state[:2] for state in states])


def _digest(names: Iterable[str], states: Sequence[tuple[int, ...] | None]) -> str:
    digest = hashlib.sha256()
    for name, state in zip(names, states, strict=True):
        told = " ".join(map(str, state or ["gone"]))
        digest.update(f"{name}\0{told}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def entry_digest(entry: object, *, data_root: str | None) -> str:
    """Return the identity of an entry of ``datasets`` and of where its relative paths begin."""
    return json_digest([entry, data_root])


def read_record(path: Path, entry: str) -> FileRecord | None:
    """Return what was recorded of a data set before, if it was by this entry."""
    try:
        told: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record = FileRecord(**{name: told[name] for name in FileRecord._fields})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if record.entry == entry else None
