"""What a reader needs beside the numbers: gaps and their reasons, warnings."""

from collections.abc import Mapping
from typing import Any

from pipeline.percent import percent
from pipeline.report.openood import list_note
from pipeline.report.records import Records
from pipeline.report.tables import Table


def not_applicable_table(records: Records) -> Table:
    """What does not apply to which backbone, and why."""
    rows = []
    for backbone in records.scope.backbones:
        reasons: dict[str, list[str]] = {}
        for method in records.methods:
            if (reason := records.why_not(backbone, method)) is not None:
                reasons.setdefault(reason, []).append(method)
        absent = records.accuracies[backbone]["not_applicable"]
        for classifier, reason in sorted(absent.items()):
            reasons.setdefault(reason, []).append(f"{classifier} accuracy")
        rows += [(backbone, reason, ", ".join(names)) for reason, names in reasons.items()]
    return Table("Not applicable", ("backbone", "reason", "methods"), tuple(rows))


def notes(records: Records) -> tuple[str, ...]:
    """What a reader must know before believing a cell: one sentence each."""
    found = [note] if (note := list_note(records)) else []
    for backbone, sets in records.evaluations.items():
        for dataset, record in sets.items():
            if constant := record["constant"]:
                found.append(
                    f"Constant scores on {dataset} with {backbone}: {', '.join(sorted(constant))}. "
                    "Ties count one half, so their AUROC says nothing about the images."
                )
    for backbone, record in records.pseudo_labels.items():
        if "accuracy" in record:
            found.append(
                f"Pseudo-labels of {backbone}: {percent(record['accuracy'])} % of "
                f"{record['rows']} training images are right (prompts {record['prompts']})."
            )
        if dead := record.get("dead_classes"):
            names = ", ".join(f"{entry['class']} (label {entry['label']})" for entry in dead)
            found.append(
                f"Dead classes of {backbone}, which no training image got as pseudo-label: {names}."
            )
    if not found:
        pseudo = any(record["applicable"] for record in records.pseudo_labels.values())
        found = ["No constant scores, no dead classes." if pseudo else "No constant scores."]
    return (*found, *_copies(records.duplicates))


def _copies(duplicates: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The warnings of the duplicate reports, or that what they searched has none."""
    copies: dict[str, str] = {}  # each set is compared with the ID sets, so they repeat
    for name, record in duplicates.items():
        cited = f" (reports/duplicates/{name}.png)" if _has_pictures(record) else ""
        for warning in record["warnings"]:
            copies.setdefault(warning, cited)
    if duplicates and not copies:  # what was not searched is a warning too
        names = dict.fromkeys(name for record in duplicates.values() for name in record["sets"])
        threshold = max(record["threshold"] for record in duplicates.values())
        return [
            f"Duplicates: none found among {', '.join(names)}: no two equal files, and no image of "
            f"one set nearly the same as one of another (cosine of at least {threshold:g})."
        ]
    return [f"Duplicates: {warning}{cited}" for warning, cited in copies.items()]


def _has_pictures(record: Mapping[str, Any]) -> bool:
    """Whether pairs of images are drawn beside a duplicate report."""
    files = all(one.get("files", True) for one in record["sets"].values())
    return files and any(overlap["pairs"] for overlap in record["overlaps"].values())
