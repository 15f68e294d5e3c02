"""Find the weights of a backbone, or download them, and record what they are.

    python -m stages.fetch_weights BACKBONE WEIGHTS

Reads   models.BACKBONE of params.yaml; a local file, the hub, or the hub's cache
Writes  WEIGHTS   folder with weights.json: backbone, loader, sha256, bytes
"""

import argparse
from pathlib import Path
from typing import Any

from pipeline.backbones.checkpoints import WeightsError, file_sha256, find_checkpoint
from pipeline.backbones.model_spec import ModelSpec, model_spec
from pipeline.backbones.weights import write_record
from pipeline.params import read_section


def run(backbone: str, spec: ModelSpec) -> dict[str, Any]:
    """Return the record of one backbone's weights; see the module docstring."""
    record: dict[str, Any] = {"backbone": backbone, "loader": spec.loader, "name": spec.name}
    if spec.random_weights:
        return {**record, "sha256": f"random weights, seed {spec.seed}"}
    if spec.loader == "features":
        # Imported features have no weights: their files are hashed where they are read.
        return {**record, "sha256": "imported features"}
    path = find_checkpoint(backbone, spec)
    return {**record, "sha256": file_sha256(path), "bytes": path.stat().st_size}


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()

    spec = model_spec(args.backbone, read_section(f"models.{args.backbone}"))
    try:
        record = run(args.backbone, spec)
    except WeightsError as error:
        raise SystemExit(f"error: {error}") from None
    write_record(args.weights, record)
    print(f"{args.backbone}: sha256 {record['sha256'][:16]}")


if __name__ == "__main__":
    main()
