"""The weights folder of a backbone: a record of what was loaded, and files trained here."""

import json
from pathlib import Path
from typing import Any

from pipeline.backbones.checkpoints import WeightsError, find_checkpoint
from pipeline.backbones.model_spec import ModelSpec
from pipeline.files import file_hash

RECORD = "weights.json"


def read_record(weights: Path) -> dict[str, Any]:
    """Return ``weights.json``: backbone, its entry in the table, sha256, where the file is."""
    path = weights / RECORD
    if not path.is_file():
        raise WeightsError(f"{path} does not exist; run `dvc repro` for its stage first")
    return json.loads(path.read_text(encoding="utf-8"))


def read_entry(weights: Path) -> dict[str, Any]:
    """Return the backbone's entry in the table as it was when its weights were recorded.

    Later stages load the backbone by this, so that they depend on the folder alone.
    """
    record = read_record(weights)
    if "entry" not in record:
        raise WeightsError(
            f"{weights / RECORD} must hold the backbone's entry of the table; it was written by "
            "an older version: run `dvc repro` for its stage"
        )
    return record["entry"]


def write_record(weights: Path, record: dict[str, Any]) -> None:
    """Write ``weights.json`` with sorted keys."""
    weights.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    (weights / RECORD).write_text(text, encoding="utf-8")


def weights_file(backbone: str, spec: ModelSpec, weights: Path) -> Path | None:
    """Return the file to load, after checking that it is the one that was recorded.

    Returns:
        None where the entry asks for random weights.

    Raises:
        WeightsError: If the file's hash differs from the record.
    """
    record = read_record(weights)
    if spec.random_weights:
        return None
    file = weights / record["file"] if record.get("file") else None
    path = file if file and file.is_file() else find_checkpoint(backbone, spec)
    if (found := file_hash(path)) != record["sha256"]:
        raise WeightsError(
            f"weights of '{backbone}' changed: {path} has sha256 {found[:12]}…, {weights / RECORD} "
            f"recorded {record['sha256'][:12]}…; run `dvc repro -f` for the stage that writes "
            f"{weights} (the features will be extracted anew), or put the old file back"
        )
    return path
