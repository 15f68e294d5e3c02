"""Where the numbers come from: images, models, settings of the methods, software.

All of it stands in the accuracy records under ``origin`` (`pipeline.record_origins`), with whole
hashes; the tables show their first digits.
"""

import json
from typing import Any

from pipeline.findings.study_scope import MEAN
from pipeline.percent import percent
from pipeline.report.records import Records
from pipeline.report.tables import Table
from pipeline.scores import NEEDS
from pipeline.scores.needs import Needs

SHOWN = 12  # digits of a hash
_MADE = {"pretrain": "pretrained here", "finetune": "fine-tuned here from {start}"}


def provenance_tables(records: Records) -> tuple[Table, ...]:
    """Every table that has a row."""
    tables = (
        sets_table(records),
        models_table(records),
        methods_table(records),
        software_table(records),
    )
    return tuple(table for table in tables if table.rows)


def sets_table(records: Records) -> Table:
    """How many images each set holds, the bank first."""
    first = records.evaluations[records.scope.backbone]
    groups = {MEAN: records.scope.counted} if not records.scope.counts_all else {}
    groups |= records.scope.named
    bank = records.origin(records.scope.backbone)["bank"]
    rows = [
        (bank["dataset"], "ID train: the bank", str(bank["rows"])),
        (records.scope.id_test, "ID test", str(max(record["n_id"] for record in first.values()))),
    ]
    for dataset, record in first.items():
        member = ", ".join(name for name, sets in groups.items() if dataset in sets)
        kind = "crafted" if dataset in records.scope.crafted else member
        rows.append((dataset, f"OOD {kind}".rstrip(), str(record["n_ood"])))
    return Table("Data sets", ("set", "kind", "images"), tuple(rows))


def models_table(records: Records) -> Table:
    """Weights, features, bank and detector of every backbone."""
    rows = []
    for backbone in records.scope.backbones:
        origin = records.origin(backbone)
        model, features = origin["model"], origin["features"]
        made = _MADE.get(model.get("made_here"), "").format(start=model.get("start"))
        name = "/".join(filter(None, (model.get("name"), model.get("pretrained"))))
        kind = [str(features[key]) for key in ("space", "dtype") if key in features]
        kind += [f"{features['width']} wide"] if "width" in features else []
        kind += [f"computed in {features['precision']}"] if "precision" in features else []
        kind += [f"on {features['device']}"] if "device" in features else []
        rows.append(
            (
                backbone,
                ", ".join(filter(None, (model["loader"], name, made))),
                model["sha256"][:SHOWN] if _is_hash(model["sha256"]) else model["sha256"],
                ", ".join(kind),
                origin["bank"]["key"][:SHOWN],
                origin["detector"][:SHOWN],
            )
        )
    return Table(
        "Models",
        ("backbone", "model", "weights", "features", "bank", "detector"),
        tuple(rows),
        note=(
            f"First {SHOWN} digits of hashes: SHA-256 of the weights (of imported features, their "
            "rows), the content key of the bank's features, which covers weights, images, software "
            "and settings of the extraction, and SHA-256 of what was fitted on it. Whole in "
            "reports/accuracy/<backbone>.json."
        ),
    )


def methods_table(records: Records) -> Table:
    """Score and settings of every method, and how its neighbours were searched."""
    settings: dict[str, list[str]] = {}
    for backbone in records.scope.backbones:
        for method, told in records.origin(backbone)["methods"].items():
            text = _settings(told)
            if text not in settings.setdefault(method, []):
                settings[method].append(text)
    rows = tuple(
        (method, " or ".join(settings[method]), _search(records, method))
        for method in records.methods
        if method in settings
    )
    return Table(
        "Methods",
        ("method", "settings", "neighbours"),
        rows,
        note="Score and parameters by which each method was computed, defaults included.",
    )


def software_table(records: Records) -> Table:
    """The versions that computed the features; backbones of equal ones share a row."""
    versions: dict[str, list[str]] = {}
    for backbone in records.scope.backbones:
        if found := records.origin(backbone)["versions"]:
            told = ", ".join(f"{name} {version}" for name, version in sorted(found.items()))
            versions.setdefault(told, []).append(backbone)
    rows = tuple((", ".join(names), told) for told, names in versions.items())
    return Table("Software that computed the features", ("backbones", "versions"), rows)


def recall_note(records: Records, *backbones: str) -> str:
    """What share of the true neighbours approximate searches found, headline backbone if none."""
    of = backbones or (records.scope.backbone,)
    found = [f"{name} {text}" for name in records.methods if (text := _recall(records, name, of))]
    if not found:
        return ""
    return (
        "Approximate neighbours, with the share of the true ones that was found (lowest and "
        f"highest over the sets): {'; '.join(found)}."
    )


def _search(records: Records, method: str) -> str:
    if recall := _recall(records, method, records.scope.backbones):
        return f"approximate: {recall}"
    of_neighbours = any(
        NEEDS.get(told.get(method, {}).get("score"), Needs()).neighbours is not None
        for told in (records.origin(name)["methods"] for name in records.scope.backbones)
    )
    return "exact" if of_neighbours else ""


def _recall(records: Records, method: str, backbones: tuple[str, ...]) -> str:
    """As ``97.1-98.3 % of 50``, or nothing where the search was exact."""
    cells = [
        record["recall"][method]
        for backbone in backbones
        for record in records.evaluations[backbone].values()
        if method in record.get("recall", {})
    ]
    if not cells:
        return ""
    shares = [cell[side] for cell in cells for side in ("id", "ood")]
    ends = dict.fromkeys((percent(min(shares)), percent(max(shares))))
    return f"{'–'.join(ends)} % of {cells[0]['k']}"


def _settings(told: dict[str, Any]) -> str:
    """As ``knn: k=1, engine=auto``."""
    values = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in sorted(told.items())
        if key != "score"
    ]
    return told["score"] + (f": {', '.join(values)}" if values else "")


def _is_hash(text: str) -> bool:
    return len(text) == 64 and " " not in text
