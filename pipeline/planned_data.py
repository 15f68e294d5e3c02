"""Which data sets of a run are not there, each with what to do about it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.downloads import Download
from pipeline.recorded_runs import MAKERS, RecordedRuns
from pipeline.sources import SourceError, read_spec
from pipeline.wanted_files import Wanted, wanted_files

MADE = (*MAKERS, "features")


def missing_data(
    params: Mapping[str, Any],
    runs: RecordedRuns,
    known: dict[str, Download],
    root: Path,
    overrides: Sequence[str] = (),
) -> list[str]:
    """Data sets that are neither indexed nor found, each with the cure.

    Args:
        params: What params.yaml holds, or would hold.
        runs: What DVC recorded.
        known: The known downloads by their name below the data root.
        root: The data root.
        overrides: Those that the parameters were composed with; a command needs them too.
    """
    problems = []
    for name, entry in params["datasets"].items():
        made = isinstance(entry, dict) and entry.get("source") in MADE
        if made or runs.index_is_current(name):
            continue
        try:
            read_spec(name, entry, data_root=root)
        except (SourceError, OSError) as error:
            files = wanted_files(params["datasets"], known, [name])
            problems.append(f"{name}: {error}\n    cure: {_cure(name, files, root, overrides)}")
    return problems


def fetch_command(name: str, overrides: Sequence[str]) -> str:
    """The command that downloads what a data set needs, of the configuration that is planned."""
    return shlex.join(["python", "-m", "stages.fetch", name, *overrides])


def _cure(name: str, files: Sequence[Wanted], root: Path, overrides: Sequence[str]) -> str:
    lacking = [item for item in files if item.state(root) != "there"] or files
    keys = [key for item in lacking for key in item.keys if key.split(".")[1] == name]
    own = f"{' and '.join(keys) or f'datasets.{name}.path'}=… names a copy that you have"
    notes = [item.download.note for item in lacking if item.download.url is None]
    if notes or not files:
        return "; or ".join([*notes, own])
    return f"{fetch_command(name, overrides)}; or {own}"
