"""Compose params.yaml from conf/, as `dvc exp run` does, without running anything.

    python -m stages.compose [KEY=VALUE ...]

Reads   conf/        with Hydra's overrides KEY=VALUE
Writes  params.yaml  what `dvc repro` reads
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from dvc.utils.hydra import compose_and_dump

from pipeline.params import load_yaml
from pipeline.stage import run_stage


def composed(overrides: list[str]) -> dict[str, Any]:
    """Return what params.yaml would hold with these overrides; writes it nowhere.

    Raises:
        ValueError: If they do not fit conf/.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        try:
            write(path, overrides)
        except Exception as error:  # Hydra's, OmegaConf's and DVC's own kinds
            told = " ".join(overrides)
            raise ValueError(f"conf/ does not compose with {told}: {error}") from error
        return load_yaml(path.read_text(encoding="utf-8"))


def write(path: Path, overrides: list[str]) -> None:
    """Compose conf/ of the working directory into a file."""
    conf = str(Path("conf").resolve())
    compose_and_dump(str(path), conf, "", "config", conf, overrides)


def main() -> None:
    """Compose with the overrides of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_args()

    write(Path("params.yaml"), args.overrides)


if __name__ == "__main__":
    run_stage(main)
