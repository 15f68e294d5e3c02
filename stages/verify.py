"""Check stores byte by byte and name what is damaged.

    python -m stages.verify [STORE ...]

Reads   STORE   stores to check; without any, all below data/
Writes  nothing; exits with 1 if a store is damaged
"""

import argparse
import sys
import time
from pathlib import Path

from pipeline.storage.manifest import cure
from pipeline.verify import find_stores, verify_store


def main() -> None:
    """Find the stores, check them, say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stores", type=Path, nargs="*")
    args = parser.parse_args()
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


if __name__ == "__main__":
    main()
