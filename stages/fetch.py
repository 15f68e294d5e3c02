"""Fetch the freely available data sets of the benchmark, or say what each needs.

    python -m stages.fetch [DATASET ...] [KEY=VALUE ...] [--dry-run]

Reads   datasets, data_root of params.yaml, or with overrides (benchmark=cifar100) of what conf/
        composes; conf/downloads.yaml: address, checksum, licence
Writes  DATA_ROOT/<file>   verified; a wrong download becomes *.wrong, a broken-off one is resumed

An archive that lies unpacked beside its place is not downloaded, unless its data set is named.
Existing copies, there or at the path that datasets.<name>.path gives, are used in place and never
changed: a wrong one is only named.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from pipeline.fetching.archives import unpack
from pipeline.fetching.downloads import fetch
from pipeline.fetching.dry_run import free_bytes, plan_lines
from pipeline.fetching.errors import DownloadError
from pipeline.fetching.transfer import check_space
from pipeline.fetching.wanted_files import Wanted, read_downloads, root_of, wanted_files, with_sizes
from pipeline.params import read_section
from pipeline.stage import run_stage


def run(wanted: list[Wanted], root: Path) -> list[str]:
    """Fetch all files; return one line for each that could not be had."""
    to_come = sum(item.bytes_to_come(root) or 0 for item in wanted if item.download.url)
    free = free_bytes(root)
    if to_come:
        cure = "free some space, set data_root to a larger disk, or name fewer data sets"
        check_space(root.resolve(), to_come, free, cure=cure)
    problems = []
    for item in wanted:
        if denied := item.denied(root):
            problems.append(f"{', '.join(item.datasets)}: {denied}")
            continue
        try:
            item.check_folder(root)
            if item.state(root) == "unpacked":
                print(
                    f"{item.download.file}: not downloaded, it lies {item.use_of_unpacked(root)}; "
                    f"name the data set ({item.datasets[0]}) to download it all the same"
                )
                continue
            path = fetch(item.download, root, report=_bar(item.download.file))
            is_file = path == root / item.download.file and path.is_file()
            done = "verified" if is_file else "there, used as it is"
            if is_file and item.download.unpacks:
                path = unpack(path, item.download.unpacks)
                item.check_folder(root)
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


def told(words: list[str]) -> tuple[list[str], list[str]]:
    """Tell names of data sets from overrides, of which ``~KEY`` has no value."""
    overrides = [word for word in words if "=" in word or word.startswith("~")]
    return [word for word in words if word not in overrides], overrides


def where_from(overrides: list[str]) -> tuple[dict[str, Any], Path]:
    """Return the data sets and the data root of params.yaml, or of conf/ with overrides."""
    if overrides:
        from pipeline.composition import composed  # seconds that params.yaml is spared

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
    args = parser.parse_intermixed_args()

    chosen, overrides = told(args.what)
    datasets, root = where_from(overrides)
    wanted = with_sizes(wanted_files(datasets, read_downloads(), chosen), root)
    print("\n".join(plan_lines(wanted, root)))
    if args.dry_run:
        return
    if problems := run(wanted, root):
        sys.exit("\n".join(f"error: {problem}" for problem in problems))


if __name__ == "__main__":
    run_stage(main, kept="what was downloaded is kept, run the same command again to continue")
