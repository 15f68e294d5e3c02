"""Compose params.yaml from conf/, as `dvc exp run` does, without running anything.

    python -m stages.compose [KEY=VALUE ...]

Reads   conf/        with Hydra's overrides KEY=VALUE
Writes  params.yaml  what `dvc repro` reads
"""

import argparse
from pathlib import Path

from pipeline.composition import composed_text
from pipeline.files import write_text
from pipeline.stage import run_stage


def main() -> None:
    """Compose with the overrides of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_args()

    write_text(Path("params.yaml"), composed_text(args.overrides))


if __name__ == "__main__":
    run_stage(main)
