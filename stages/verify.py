"""Check stores byte by byte and name what is damaged; or clear away abandoned work.

    python -m stages.verify [STORE ...]
    python -m stages.verify --prune [DAYS]

Reads   STORE   stores to check; without any, all below data/
Writes  nothing; names damaged stores last, each with its cure, and exits with 1 if there are any

With --prune, rows of extractions, images of attacks and epochs of fine-tunings that were never
finished, and that nobody has touched for DAYS days (30), are removed from the side cache; work that
a run holds stays.
"""

import argparse
import sys
import time
from pathlib import Path

from pipeline.cache_folder import cache_root
from pipeline.extraction.leftovers import prune
from pipeline.stage import run_stage
from pipeline.storage.manifest import cure
from pipeline.storage.verify import Verdict, find_stores, verify_store

DAYS = 30.0


def main() -> None:
    """Find the stores, check them, say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stores", type=Path, nargs="*")
    parser.add_argument("--prune", type=float, nargs="?", const=DAYS, metavar="DAYS")
    args = parser.parse_args()
    if args.prune is not None:
        if args.stores:
            parser.error("--prune clears the side cache; it takes no stores")
        _prune(args.prune)
        return
    stores = args.stores or find_stores(Path("data"))
    if not stores:
        sys.exit("error: there is no store below data/; `dvc repro` makes them")

    started = time.perf_counter()
    damaged: list[Verdict] = []  # told last, where nothing scrolls them away
    size = 0
    for verdict in map(verify_store, stores):
        size += verdict.bytes
        if verdict.problems:
            damaged.append(verdict)
        else:
            print(verdict.line(), flush=True)
    seconds = time.perf_counter() - started
    for verdict in damaged:
        print(f"{verdict.line()}\n         cure: {cure(verdict.store)}")
    rate = size / 2**20 / max(seconds, 1e-9)
    print(
        f"{len(stores)} stores: {len(stores) - len(damaged)} good, {len(damaged)} damaged; "
        f"{rate:,.0f} MiB/s"
    )
    sys.exit(1 if damaged else 0)


def _prune(days: float) -> None:
    root = cache_root()
    try:
        removed = prune(root, days=days)
    except ValueError as error:
        sys.exit(f"error: {error}")
    for leftover in removed:
        print(f"removed  {leftover.line()}")
    freed = sum(leftover.bytes for leftover in removed) / 2**20
    print(f"{len(removed)} unfinished runs removed from {root}, {freed:,.1f} MiB freed")


if __name__ == "__main__":
    run_stage(main)
