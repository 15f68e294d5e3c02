"""Give every bank image the class of its nearest text.

    python -m stages.pseudo_label BANK TEXT PSEUDO_LABELS REPORT

Reads   BANK           Zarr store of ID training features
        TEXT           Zarr store of class embeddings and projection
Writes  PSEUDO_LABELS  one row a kept image: row, pseudo_label, confidence; none without text tower;
                       in its metadata the options and the bank it was made on
        REPORT         JSON: accuracy, rows of each class, dead classes, a warning where the
                       texts name the classes no better than guesses
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.files import write_text
from pipeline.params import load_params
from pipeline.stage import run_stage
from pipeline.storage.store import iter_shards, read_arrays, read_attributes, read_labels
from pipeline.training.pseudo_label_quality import confident_rows, quality
from pipeline.training.pseudo_labels import SCHEMA, PseudoLabelParams, assign, write_pseudo_labels
from pipeline.training.text_side import check_text_side


def run(bank: Path, text: Path, params: PseudoLabelParams) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the table and the report; see the module docstring."""
    arrays, about = read_arrays(text)
    report: dict[str, Any] = {"backbone": about["backbone"], "applicable": about["applicable"]}
    if not about["applicable"]:
        return pl.DataFrame(schema=SCHEMA), report | {"reason": about["reason"]}
    check_text_side(read_attributes(bank), about, arrays)
    shards = (features for _, features in iter_shards(bank))
    pseudo_labels, confidence = assign(
        shards,
        arrays["class_embeddings"],
        arrays.get("projection"),
        temperature=params.temperature,
    )
    kept = confident_rows(
        pseudo_labels, confidence, min_confidence=params.min_confidence, keep=params.keep
    )
    report |= {"prompts": about["prompts"], "names": about["names"]}
    report |= {"options": dataclasses.asdict(params)}
    report |= quality(pseudo_labels, read_labels(bank), about["class_names"], kept=kept)
    table = pl.DataFrame(
        {"row": kept, "pseudo_label": pseudo_labels[kept], "confidence": confidence[kept]},
        schema=SCHEMA,
    )
    return table, report


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("bank", "text", "pseudo_labels", "report"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    table, report = run(args.bank, args.text, load_params("pseudo_label", PseudoLabelParams))
    options = report.get("options", {})
    write_pseudo_labels(args.pseudo_labels, table, read_attributes(args.bank), options)
    text = json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False)
    write_text(args.report, text + "\n")
    print(summary(report))


def summary(report: dict[str, Any]) -> str:
    """Return what a reader of the log needs to know."""
    if not report["applicable"]:
        return f"{report['backbone']}: pseudo-labels not applicable: {report['reason']}"
    accuracy = f", {report['accuracy']:.1%} right" if "accuracy" in report else ""
    lines = [f"{report['backbone']}: {report['rows_kept']} pseudo-labels{accuracy}"]
    lines += [f"warning: {report['warning']}"] if "warning" in report else []
    lines += [
        f"warning: class {dead['label']} '{dead['class']}' has no pseudo-label (dead class)"
        for dead in report["dead_classes"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main)
