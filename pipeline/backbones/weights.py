"""The weights folder of a backbone: a record of what was loaded, and files trained here."""

import json
from pathlib import Path
from typing import Any

from pipeline.backbones.checkpoints import WeightsError, find_checkpoint
from pipeline.backbones.model_spec import ModelSpec, model_spec
from pipeline.cache_folder import cache_root
from pipeline.files import remembered_hash
from pipeline.json_text import json_digest

RECORD = "weights.json"


def weights_record(backbone: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Find a backbone's files, downloading them where need be; return what to record of them.

    Returns:
        ``sha256`` of the weights (for imported features of all their files), ``config_sha256`` of a
        model configuration in a file, and the entry itself, JSON-ready.

    Raises:
        WeightsError: If a file cannot be had.
    """
    spec = model_spec(backbone, entry)
    record = {"backbone": backbone, "loader": spec.loader, "name": spec.name, "entry": entry}
    if spec.config:
        record["config_sha256"] = content_hash(Path(spec.config), f"models.{backbone}.config")
    if spec.random_weights:
        return {**record, "sha256": f"random weights, seed {spec.seed}"}
    if spec.loader == "features":
        return {**record, "sha256": _features_hash(backbone, entry)}
    path = find_checkpoint(backbone, spec)
    return {**record, "sha256": hash_of(path), "bytes": path.stat().st_size}


def _features_hash(backbone: str, entry: dict[str, Any]) -> str:
    """Hash the features files of all data sets and the text side that came with them."""
    named = {f"files.{name}": path for name, path in (entry.get("files") or {}).items()}
    texts = ("class_embeddings", "projection", "negative_embeddings")
    named |= {key: entry.get(key) for key in texts}
    hashes = {
        key: content_hash(Path(path).expanduser(), f"models.{backbone}.{key}")
        for key, path in named.items()
        if isinstance(path, str)
    }
    return json_digest(hashes)


def content_hash(path: Path, where: str) -> str:
    """Return a hash of a file, or of all files of a folder with their names.

    Raises:
        WeightsError: If there is neither; `where` names the parameter.
    """
    if path.is_file():
        return hash_of(path)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
    if not files:
        raise WeightsError(
            f"{where} = {path} must be a file, or a folder with files; put it there or mend the "
            "path"
        )
    found = {file.relative_to(path).as_posix(): hash_of(file) for file in files}
    return json_digest(found)


def hash_of(path: Path) -> str:
    """Return a file's sha256; a checkpoint of gigabytes is read once, not for every data set."""
    return remembered_hash(path, cache_root() / "hashes")


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
    if (found := hash_of(path)) != record["sha256"]:
        raise WeightsError(
            f"weights of '{backbone}' changed: {path} has sha256 {found[:12]}…, {weights / RECORD} "
            f"recorded {record['sha256'][:12]}…; run `dvc repro -f` for the stage that writes "
            f"{weights} (the features will be extracted anew), or put the old file back"
        )
    return path
