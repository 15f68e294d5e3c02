"""Check stores byte by byte and name what is damaged; or clear away abandoned work.

    python -m stages.verify [STORE ...]
    python -m stages.verify --prune [DAYS]

Reads   STORE   stores to check; without any, all below data/
Writes  nothing; exits with 1 if a store is damaged

With --prune, the finished rows of extractions that were never finished, and that nobody has
touched for DAYS days (30), are removed from the side cache; work that a run holds stays.
"""

import argparse
import sys
import time
from pathlib import Path

from pipeline.extraction.cache import cache_root
from pipeline.extraction.leftovers import prune
from pipeline.stage import run_stage
from pipeline.storage.manifest import cure
from pipeline.verify import find_stores, verify_store

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
    damaged = 0
    size = 0
    for verdict in map(verify_store, stores):
        print(verdict.line())
        size += verdict.bytes
        if verdict.problems:
            damaged += 1
            print(f"         cure: {cure(verdict.store)}")
    seconds = time.perf_counter() - started
    rate = size / 2**20 / max(seconds, 1e-9)
    print(f"{len(stores)} stores, {damaged} damaged, {rate:,.0f} MiB/s")
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
    print(f"{len(removed)} unfinished extractions removed from {root}, {freed:,.1f} MiB freed")


if __name__ == "__main__":
    run_stage(main)
