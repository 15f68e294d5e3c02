"""Which known downloads the data sets of a benchmark read, and whether each is there."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from pipeline.downloads import Download, find, with_size
from pipeline.params import from_mapping
from pipeline.partial_files import partial_of

LIST = Path("conf/downloads.yaml")


@dataclass(frozen=True)
class Wanted:
    """One file of the benchmark: who needs it, and how it can be had.

    Attributes:
        datasets: The data sets that read it.
        download: How it can be had.
        keys: The parameters that name it, as ``datasets.sun.path``.
    """

    datasets: tuple[str, ...]
    download: Download
    keys: tuple[str, ...] = ()

    def state(self, root: Path) -> str:
        """One word: there, partial, missing, or by hand."""
        if find(self.download, root):
            return "there"
        if partial_of(root / self.download.file).exists():
            return "partial"
        return "missing" if self.download.url else "by hand"


def root_of(value: str | None) -> Path:
    """Return the folder that parameter data_root names; ``~`` is the home directory."""
    return Path(value or ".").expanduser()


def read_downloads(path: Path = LIST) -> dict[str, Download]:
    """Return the known files by their name below the data root."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["downloads"]
    known = [from_mapping(Download, e, section=f"downloads.{n}") for n, e in entries.items()]
    return {download.file: download for download in known}


def wanted_files(
    datasets: dict[str, Any], known: dict[str, Download], chosen: list[str]
) -> list[Wanted]:
    """Return each file that the chosen data sets (all: none given) name as path or root, once.

    Raises:
        KeyError: If a chosen data set is unknown.
    """
    if unknown := sorted(set(chosen) - set(datasets)):
        raise KeyError(
            f"unknown dataset '{unknown[0]}'; known: {', '.join(sorted(datasets))}. The sets of "
            "another benchmark are known with benchmark=<name>"
        )
    users: dict[str, dict[str, str]] = {}
    for name in chosen or datasets:
        entry = datasets[name]
        values = {"path": entry} if isinstance(entry, str) else entry
        for key in ("path", "root"):
            if file := _file_of(values.get(key), known):
                users.setdefault(file, {})[f"datasets.{name}.{key}"] = name
    return [
        Wanted(tuple(dict.fromkeys(keys.values())), known[file], tuple(keys))
        for file, keys in users.items()
    ]


def with_sizes(wanted: list[Wanted], root: Path) -> list[Wanted]:
    """Ask the servers how large the files are that are to come and have no published size."""
    return [
        item if item.state(root) == "there" else replace(item, download=with_size(item.download))
        for item in wanted
    ]


def _file_of(value: Any, known: dict[str, Download]) -> str | None:
    """The known file that a path is, or lies in once it is unpacked."""
    if value in known:
        return str(value)
    for file, download in known.items():
        if download.unpacks and str(value).startswith(f"{download.unpacks}/"):
            return file
    return None
