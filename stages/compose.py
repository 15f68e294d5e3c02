"""Compose params.yaml from conf/, as `dvc exp run` does, without running anything.

    python -m stages.compose [KEY=VALUE ...]

Reads   conf/        with Hydra's overrides KEY=VALUE
Writes  params.yaml  what `dvc repro` reads
"""

import argparse
from pathlib import Path

from dvc.utils.hydra import compose_and_dump


def main() -> None:
    """Compose with the overrides of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_args()

    conf = str(Path("conf").resolve())
    compose_and_dump("params.yaml", conf, "", "config", conf, args.overrides)


if __name__ == "__main__":
    main()
