"""Fetch the freely available data sets of the benchmark, or say what each needs.

    python -m stages.fetch [DATASET ...] [KEY=VALUE ...] [--dry-run]

Reads   datasets, data_root of params.yaml, or with overrides (benchmark=cifar100) of what conf/
        composes; conf/downloads.yaml: address, checksum, licence
Writes  DATA_ROOT/<file>   verified; a wrong download becomes *.wrong, a broken-off one is resumed

Existing copies, there or at the path that datasets.<name>.path gives, are used in place and never
changed: a wrong one is only named.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from pipeline.download_errors import DownloadError, reading
from pipeline.downloaded_archives import unpack
from pipeline.downloads import Download, fetch, find, missing_bytes, with_size
from pipeline.params import from_mapping, read_section
from pipeline.stage import run_stage

LIST = Path("conf/downloads.yaml")


@dataclass(frozen=True)
class Wanted:
    """One file of the benchmark: who needs it, and how it can be had."""

    datasets: tuple[str, ...]
    download: Download

    def state(self, root: Path) -> str:
        """One word: there, partial, missing, or by hand."""
        if find(self.download, root):
            return "there"
        target = root / self.download.file
        if target.with_name(target.name + ".partial").exists():
            return "partial"
        return "missing" if self.download.url else "by hand"


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
        raise KeyError(f"unknown dataset '{unknown[0]}'; known: {', '.join(sorted(datasets))}")
    users: dict[str, list[str]] = {}
    for name in chosen or datasets:
        entry = datasets[name]
        values = {"path": entry} if isinstance(entry, str) else entry
        for key in ("path", "root"):
            if file := _file_of(values.get(key), known):
                users.setdefault(file, []).append(name)
    return [Wanted(tuple(names), known[file]) for file, names in users.items()]


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


def plan_lines(wanted: list[Wanted], root: Path) -> list[str]:
    """The plan as text: what is there, what will be downloaded, what needs a person."""
    free = free_bytes(root)
    lines = [f"data root {root.resolve()}"]
    to_come, unknown = 0, 0
    for item in wanted:
        download, state = item.download, item.state(root)
        missing = missing_bytes(download, root)
        if state != "there":
            to_come += missing or 0
            unknown += missing is None and download.url is not None
        size = "size unknown" if download.bytes is None else f"{download.bytes / 1e6:,.0f} MB"
        check = next((k for k in ("sha256", "md5") if getattr(download, k)), "hash on first use")
        kind = f"{size}, {check}" if download.url else "a folder made by hand"
        lines += [
            f"{state:8} {download.file} ({kind}) for {', '.join(item.datasets)}",
            f"         {download.url or download.note}",
            f"         licence: {download.licence}; cite: {download.citation}",
        ]
    more = f" and {unknown} files of unknown size" if unknown else ""
    lines.append(f"to download: {to_come / 1e6:,.0f} MB{more}; free on disk: {free / 1e6:,.0f} MB")
    return lines


def run(wanted: list[Wanted], root: Path) -> list[str]:
    """Fetch all files; return one line for each that could not be had."""
    to_come = sum(missing_bytes(item.download, root) or 0 for item in wanted if item.download.url)
    free = free_bytes(root)
    if to_come > free:
        raise DownloadError(
            f"the files need {to_come:,} bytes, but {root.resolve()} has {free:,} free; free some "
            "space, set data_root to a larger disk, or name fewer data sets"
        )
    problems = []
    for item in wanted:
        try:
            path = fetch(item.download, root, report=_bar(item.download.file))
            done = "verified" if path.is_file() else "there, used as it is"
            if path.is_file() and item.download.unpacks:
                path = unpack(path, item.download.unpacks)
            print(f"\r{path}: {done}" + " " * 20)
        except DownloadError as error:
            problems.append(f"{', '.join(item.datasets)}: {error}")
    return problems


def _bar(name: str) -> Any:
    shown = [0]
    step = (1 if sys.stderr.isatty() else 256) << 20

    def report(done: int, total: int | None) -> None:
        if 0 <= done - shown[0] < step:
            return
        shown[0] = done
        of = "" if total is None else f" of {total / 1e6:,.0f}"
        end = "" if sys.stderr.isatty() else "\n"
        print(f"\r{name}: {done / 1e6:,.0f}{of} MB", end=end, file=sys.stderr, flush=True)

    return report


def root_of(value: str | None) -> Path:
    """Return the folder that parameter data_root names; ``~`` is the home directory."""
    return Path(value or ".").expanduser()


def free_bytes(root: Path) -> int:
    """Return the free space of the disk where the data root is, or will be.

    Raises:
        DownloadError: If it is no folder, or may not be looked at.
    """
    with reading(root):
        folder = root.resolve()
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        if not existing.is_dir():
            raise DownloadError(f"data_root must be a folder, {existing} is a file; name another")
        return shutil.disk_usage(existing).free


def where_from(overrides: list[str]) -> tuple[dict[str, Any], Path]:
    """Return the data sets and the data root of params.yaml, or of conf/ with overrides."""
    if overrides:
        from stages.compose import composed  # seconds that params.yaml is spared

        params = composed(overrides)
        return params["datasets"], root_of(params["data_root"])
    try:
        root = root_of(read_section("data_root"))
    except KeyError:
        root = root_of("data/raw")
    return read_section("datasets"), root


def main() -> None:
    """Read the parameters, then print the plan or carry it out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="DATASET or KEY=VALUE")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    args = parser.parse_args()

    overrides = [word for word in args.what if "=" in word]
    datasets, root = where_from(overrides)
    chosen = [word for word in args.what if "=" not in word]
    wanted = wanted_files(datasets, read_downloads(), chosen)
    wanted = with_sizes(wanted, root)
    print("\n".join(plan_lines(wanted, root)))
    if args.dry_run:
        return
    if problems := run(wanted, root):
        sys.exit("\n".join(f"error: {problem}" for problem in problems))


if __name__ == "__main__":
    run_stage(main)
