"""Find the weights of a backbone in the hub's cache, or download them, and record what they are.

    python -m stages.fetch_weights BACKBONE WEIGHTS

Reads   models.BACKBONE of params.yaml; data/checkpoints, the hub's cache, or the hub
Writes  WEIGHTS   folder with weights.json: backbone, loader, sha256, bytes
"""

import argparse
from pathlib import Path

from pipeline.backbones.weights import weights_record, write_record
from pipeline.params import read_section
from pipeline.stage import run_stage


def main() -> None:
    """Parse the paths, read the parameters, find the files, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()

    record = weights_record(args.backbone, read_section(f"models.{args.backbone}"))
    write_record(args.weights, record)
    print(f"{args.backbone}: sha256 {record['sha256'][:16]}")


if __name__ == "__main__":
    run_stage(main)
