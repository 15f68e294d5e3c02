"""Look for images that occur twice in any two sets of the benchmark, OOD against OOD too.

    python -m stages.compare_sets REPORT SHEET [--backbone NAME]      after `dvc repro`

The stage `find_duplicates` compares each OOD set with ID train and ID test, so that a further set
compares nothing anew. This command compares every set with every other at once, by the same code.

Reads   the data sets of params.yaml, their indices, and their features by NAME, by default those
        that `find_duplicates` uses
Writes  REPORT, SHEET   as `find_duplicates` does
"""

import argparse
import subprocess
import sys
from pathlib import Path

from pipeline.params import read_section
from pipeline.stage import run_stage


def set_arguments(backbone: str) -> list[str]:
    """Name every set but the crafted ones, the bank first, with its index and store."""
    benchmark = read_section("benchmark")
    names = [benchmark["id_train"], benchmark["id_test"], *read_section("matrix.ood")]
    return [
        word
        for name in names
        for word in (
            "--set",
            name,
            f"data/index/{name}.parquet",
            f"data/features/{backbone}/{name}.zarr",
        )
    ]


def main() -> None:
    """Run the stage's script on all sets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--backbone")
    args = parser.parse_args()
    sets = set_arguments(args.backbone or read_section("matrix.reference"))
    command = [sys.executable, "-m", "stages.find_duplicates", str(args.report), str(args.sheet)]
    sys.exit(subprocess.run([*command, *sets], check=False).returncode)


if __name__ == "__main__":
    run_stage(main)
