"""Find the weights of a backbone, or download them, and record what they are.

    python -m stages.fetch_weights BACKBONE WEIGHTS

Reads   models.BACKBONE of params.yaml; a local file, the hub, or the hub's cache
Writes  WEIGHTS   folder with weights.json: backbone, loader, sha256, bytes
"""

import argparse
from pathlib import Path
from typing import Any

from pipeline.backbones.checkpoints import WeightsError, find_checkpoint
from pipeline.backbones.model_spec import model_spec
from pipeline.backbones.weights import write_record
from pipeline.files import file_hash
from pipeline.params import read_section


def run(backbone: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the record of one backbone's weights; see the module docstring."""
    spec = model_spec(backbone, entry)
    record = {"backbone": backbone, "loader": spec.loader, "name": spec.name, "entry": entry}
    if spec.random_weights:
        return {**record, "sha256": f"random weights, seed {spec.seed}"}
    if spec.loader == "features":
        # Imported features have no weights: their files are hashed where they are read.
        return {**record, "sha256": "imported features"}
    path = find_checkpoint(backbone, spec)
    return {**record, "sha256": file_hash(path), "bytes": path.stat().st_size}


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()

    try:
        record = run(args.backbone, read_section(f"models.{args.backbone}"))
    except WeightsError as error:
        raise SystemExit(f"error: {error}") from None
    write_record(args.weights, record)
    print(f"{args.backbone}: sha256 {record['sha256'][:16]}")


if __name__ == "__main__":
    main()
