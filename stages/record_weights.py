"""Record which local files a backbone is made of: weights, configuration, imported features.

    python -m stages.record_weights BACKBONE WEIGHTS

Reads   models.BACKBONE of params.yaml, and the files that it names
Writes  WEIGHTS   folder with weights.json: backbone, loader, sha256, bytes, config_sha256

DVC runs this stage every time, for somebody may have replaced a file; a file that was seen before
is not read again. What follows runs only where the record came out another one.
"""

import argparse
from pathlib import Path

from pipeline.backbones.weights import weights_record, write_record
from pipeline.params import read_section
from pipeline.stage import run_stage


def main() -> None:
    """Parse the paths, read the parameters, hash the files, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()

    record = weights_record(args.backbone, read_section(f"models.{args.backbone}"))
    write_record(args.weights, record)


if __name__ == "__main__":
    run_stage(main)
