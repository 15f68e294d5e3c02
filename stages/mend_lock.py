"""Give dvc.lock back where DVC was killed while it wrote it; `make repro` begins with this.

    python -m stages.mend_lock

Reads   dvc.lock, and the one that was committed last
Writes  dvc.lock   where DVC cannot read it: the committed one; stages that finished since come out
                   of DVC's cache
"""

import argparse
import sys

from pipeline.stage import run_stage
from pipeline.torn_lock import mend_lock


def main() -> None:
    """Look at the lock file, mend it, say so."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    if mend_lock():
        print(
            "dvc.lock was damaged, for DVC was killed while it wrote it: the last committed one is "
            "back, and what finished since comes out of DVC's cache",
            file=sys.stderr,
        )


if __name__ == "__main__":
    run_stage(main)
