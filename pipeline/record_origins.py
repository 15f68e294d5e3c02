"""What the numbers of one backbone rest on, as its accuracy record tells it: in git, beside them.

Score tables say which detector and bank they are of and with which settings each method scored;
the provenance beside the bank's store says which weights made its features, and with what software.
"""

from collections.abc import Mapping
from typing import Any

_BANK = ("dataset", "key", "rows")
_FEATURES = ("space", "width", "dtype", "precision", "device")


def record_origin(about: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Join what a score table says of itself with the provenance of its bank.

    Args:
        about: Of the score table, see `pipeline.table_origins`.
        provenance: ``<bank>.provenance.json`` of the same backbone.

    Returns:
        ``model`` (loader, name, weights and how they came about), ``features``, ``bank``,
        ``detector``, ``methods`` (settings by method) and ``versions`` of the software that
        computed the features. What does not apply is absent.

    Raises:
        ValueError: If the table does not name its bank, or the provenance is of another one.
    """
    bank = about.get("bank")
    if not isinstance(bank, dict) or not isinstance(about.get("methods"), dict):
        raise ValueError(
            "a score table must name its bank and the settings of its methods; score again: "
            f"`dvc repro -f score@{about['backbone']}-{about['dataset']}`"
        )
    if provenance.get("key") != bank["key"]:
        raise ValueError(
            f"the detector of '{about['backbone']}' was fitted on the bank {bank['key'][:12]}, but "
            f"the provenance is of {str(provenance.get('key'))[:12]}; run `dvc repro`"
        )
    told = {**provenance.get("key_parts", {}), **provenance}
    return {
        "model": _model(provenance),
        "features": {name: told[name] for name in _FEATURES if told.get(name) is not None},
        "bank": {name: bank[name] for name in _BANK},
        "detector": about["detector"],
        "methods": about["methods"],
        "versions": provenance.get("versions", {}),
    }


def _model(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Which weights, and where they are from."""
    if "imported_from" in provenance:
        rows = provenance["key_parts"]["rows"]
        return {"loader": "features", "name": provenance["imported_from"], "sha256": rows}
    record = provenance["record"]
    entry = record.get("entry", {})
    made = next((kind for kind in ("pretrain", "finetune") if entry.get(kind)), None)
    model = {
        "loader": record["loader"],
        "name": record.get("name") or entry.get("name"),
        "pretrained": entry.get("pretrained"),
        "made_here": made,
        "start": entry["finetune"]["start"] if made == "finetune" else None,
        "sha256": record["sha256"],
    }
    return {name: value for name, value in model.items() if value is not None}
