"""Which known downloads the data sets of a benchmark read, and whether each is there."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from pipeline.fetching.entry import Download, dangling, find, missing_bytes, with_size
from pipeline.fetching.errors import DownloadError
from pipeline.fetching.held_files import ANYTHING, Need, lacking, unpacked_beside
from pipeline.fetching.partial_files import partial_of
from pipeline.params import from_mapping
from pipeline.sources.read_spec import may_read

LIST = Path("conf/downloads.yaml")


@dataclass(frozen=True)
class Wanted:
    """One file of the benchmark: who needs it, and how it can be had.

    Attributes:
        datasets: The data sets that read it.
        download: How it can be had.
        keys: The parameters that name it, as ``datasets.sun.path``.
        need: What a folder has to hold, if it is one.
        inside: The paths in it that are read.
        named: Whether its data set was asked for by name: downloaded even if it lies unpacked.
    """

    datasets: tuple[str, ...]
    download: Download
    keys: tuple[str, ...] = ()
    need: Need = ANYTHING
    inside: tuple[str, ...] = ()
    named: bool = False

    def state(self, root: Path) -> str:
        """One word: there, denied, doubtful, partial, unpacked, missing, or by hand."""
        if self.denied(root):
            return "denied"
        if find(self.download, root):
            return "doubtful" if self.doubt(root) else "there"
        if partial_of(root / self.download.file).exists():
            return "partial"
        if self.download.url is None:
            return "by hand"
        return "unpacked" if self.unpacked(root) else "missing"

    def denied(self, root: Path) -> str | None:
        """A sentence on what is there and may not be read, with the cure; None for nothing."""
        try:
            there = find(self.download, root) or self.unpacked(root)
        except DownloadError as error:
            return str(error)
        if there is None or may_read(there):
            return None
        return f"'{there}' may not be read (permission denied): ask its owner for read access"

    def doubt(self, root: Path) -> str | None:
        """A sentence on what is visibly wrong with what is there; None for nothing."""
        if (there := find(self.download, root)) is None:
            return dangling(root / self.download.file, root)
        wrong = lacking(there, self.need, size=self.download.bytes)
        return f"'{there}' {wrong}" if wrong else None

    def unpacked(self, root: Path) -> Path | None:
        """The folder beside its place that it was unpacked to, which a parameter can name.

        Returns:
            None where there is none, or a download was asked for or begun.

        Raises:
            DownloadError: If it may not be read.
        """
        if self.named or partial_of(root / self.download.file).exists():
            return None
        return unpacked_beside(root / self.download.file, self.inside, self.download.holds)

    def bytes_to_come(self, root: Path) -> int | None:
        """Bytes that fetching brings: none of what lies unpacked or may not be read.

        Returns:
            None where nobody knows.
        """
        if self.state(root) in ("denied", "unpacked"):
            return 0
        return missing_bytes(self.download, root)

    def use_of_unpacked(self, root: Path) -> str:
        """Where what lies unpacked is, and the parameters that use it."""
        place = shlex.quote(str(self.unpacked(root)))
        return f"unpacked at {place}: {' and '.join(f'{key}={place}' for key in self.keys)} uses it"

    def check_folder(self, root: Path) -> None:
        """Refuse a folder that is visibly not whole: no checksum tells that of a folder.

        Raises:
            DownloadError: Names what it lacks and the cure.
        """
        there = find(self.download, root)
        if there and there.is_dir() and (doubt := self.doubt(root)):
            again = "move it away and fetch it again" if self.download.url else self.download.note
            raise DownloadError(f"{doubt}; it is left as it is: complete it, or {again}")


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
    users: dict[str, dict[str, Any]] = {}
    for name in chosen or datasets:
        entry = datasets[name]
        values = {"path": entry} if isinstance(entry, str) else entry
        for key in ("path", "root"):
            for file in _files_of(values.get(key), known):
                users.setdefault(file, {})[f"datasets.{name}.{key}"] = values
    return [_wanted(known[file], keys, named=bool(chosen)) for file, keys in users.items()]


def with_sizes(wanted: list[Wanted], root: Path) -> list[Wanted]:
    """Ask the servers how large the files are that are to come and have no published size."""
    return [
        item
        if item.denied(root) or find(item.download, root)
        else replace(item, download=with_size(item.download))
        for item in wanted
    ]


def _wanted(download: Download, users: dict[str, Any], *, named: bool) -> Wanted:
    """Join what the parameters that name a file read of it."""
    names: set[str] = set()
    inside: set[str] = set()
    classes = 0
    for key, values in users.items():
        field = key.rpartition(".")[2]
        if download.unpacks:
            _, lead, name = str(values[field]).partition(f"{download.unpacks}/")
            names |= {name} if lead else set()
        elif download.url is None:
            need = Need.of(values, download.classes)
            names, classes = names | need.names, max(classes, need.classes or 0)
        inside.add(str(values.get("prefix" if field == "root" else "subfolder") or ""))
    return Wanted(
        datasets=tuple(dict.fromkeys(key.split(".")[1] for key in users)),
        download=download,
        keys=tuple(users),
        need=Need(frozenset(names), classes or None),
        inside=tuple(sorted(inside)),
        named=named,
    )


def _files_of(value: Any, known: dict[str, Download]) -> list[str]:
    """The known file that a path is or lies in once it is unpacked, or all that are part of it."""
    if value in known:
        return [str(value)]
    return [
        file
        for file, download in known.items()
        if (download.part_of and str(value).rstrip("/") == download.part_of)
        or (download.unpacks and str(value).startswith(f"{download.unpacks}/"))
    ]
