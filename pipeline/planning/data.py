"""Which data sets of a run are not there or not whole, each with what to do about it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.fetching.entry import Download
from pipeline.fetching.errors import DownloadError
from pipeline.fetching.held_files import ANYTHING, Need, lacking
from pipeline.fetching.wanted_files import Wanted, wanted_files
from pipeline.planning.first_look import cure_of, without_classes
from pipeline.recorded_runs import MAKERS, RecordedRuns
from pipeline.sources import ImageSet, SourceError, read_spec
from pipeline.sources.spec import FolderSet

MADE = (*MAKERS, "features")


@dataclass(frozen=True)
class DataPlan:
    """What the plan says of data, one problem an item, with its cure.

    Attributes:
        missing: Data sets that are neither indexed nor found, or that are visibly not whole.
        other: Files that have another size than was published.
    """

    missing: list[str]
    other: list[str]


def plan_data(
    params: Mapping[str, Any],
    runs: RecordedRuns,
    known: dict[str, Download],
    root: Path,
    overrides: Sequence[str] = (),
) -> DataPlan:
    """Look at each data set that is not indexed; at sizes and listings only, which takes no time.

    Args:
        params: What params.yaml holds, or would hold.
        runs: What DVC recorded.
        known: The known downloads by their name below the data root.
        root: The data root.
        overrides: Those that the parameters were composed with; a command needs them too.
    """
    found = DataPlan([], [])
    stated = params["benchmark"].get("expected_classes") or {}
    id_sets = [params["benchmark"].get(role) for role in ("id_train", "id_test")]
    for name, entry in params["datasets"].items():
        made = isinstance(entry, dict) and entry.get("source") in MADE
        if made or runs.index_is_current(name):
            continue
        files = wanted_files({name: entry}, known, [])
        command = shlex.join(["python", "-m", "stages.fetch", name, *overrides])
        own = f"datasets.{name}" if isinstance(entry, str) else f"datasets.{name}.path"
        try:
            spec = read_spec(name, entry, data_root=root)
            if name in id_sets and (flat := without_classes(spec)):
                told = f"'{flat}' holds images without a class, and ID images need one"
                found.missing.append(f"{name}: {told}\n    cure: {cure_of(flat, name)}")
                continue
            for place, need, download in _places(entry, spec, known, stated.get(name)):
                size = download.bytes if download else None
                if wrong := lacking(place, need, size=size):
                    cure = _cure(own, files, root, command)
                    found.missing.append(f"{name}: '{place}' {wrong}\n    cure: {cure}")
                elif other := _other_size(place, download):
                    found.other.append(f"{name}: {other}: `{command}` compares its checksum")
        except (SourceError, DownloadError, OSError) as error:
            cure = _cure(own, files, root, command)
            found.missing.append(f"{name}: {error}\n    cure: {cure}")
    return found


def _places(
    entry: Any, spec: ImageSet, known: Mapping[str, Download], classes: int | None
) -> Iterator[tuple[Path, Need, Download | None]]:
    """Each file and folder that a data set reads, what a folder has to hold, how a file is had."""
    if isinstance(spec, FolderSet):
        yield Path(spec.path) / spec.subfolder, Need.of(entry, classes), None
    values = entry if isinstance(entry, Mapping) else {"path": entry}
    for key in ("path", "root", "labels"):
        value = getattr(spec, key, None)
        if value and Path(value).exists() and not (key == "path" and isinstance(spec, FolderSet)):
            yield Path(value), ANYTHING, known.get(str(values.get(key)))
            for part in known.values():
                held = Path(value) / Path(part.file).name
                if part.part_of and part.part_of == str(values.get(key)) and held.is_file():
                    yield held, ANYTHING, part


def _other_size(place: Path, download: Download | None) -> str | None:
    if download is None or download.bytes is None or download.rounded or place.is_dir():
        return None
    held = place.stat().st_size
    differs = held != download.bytes
    return f"'{place}' has {held:,} bytes, {download.bytes:,} are stated" if differs else None


def _cure(own: str, files: Sequence[Wanted], root: Path, command: str) -> str:
    """What to do: name what lies unpacked, get it by hand, download it, or name another copy.

    `own` is the parameter that names a copy where no known download is read.
    """
    wrong = [item for item in files if item.state(root) != "there"] or files
    cures, keys = [], [key for item in wrong for key in item.keys]
    denied = [item for item in wrong if item.state(root) == "denied"]
    if denied:
        cures.append("read access")
    for item in (item for item in wrong if item not in denied):
        if item.download.url is None:
            cures.append(item.download.note)
        elif folder := item.unpacked(root):
            cures += [f"{key}={shlex.quote(str(folder))}" for key in item.keys]
    if any(item.download.url for item in wrong if item not in denied):
        aside = any(item.state(root) == "doubtful" for item in wrong)
        cures.append(f"move it away and run {command}" if aside else command)
    named = " and ".join(dict.fromkeys(keys)) or own
    return "; or ".join([*cures, f"{named}=… names a copy that you have"])
