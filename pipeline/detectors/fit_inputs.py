"""What fitting reads: the bank, its texts, pseudo-labels and heads, all of one origin."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from pipeline.detectors.detector import DetectorError
from pipeline.detectors.rows import Rows, held
from pipeline.files import file_hash
from pipeline.storage.store import read_arrays, read_attributes, read_labels
from pipeline.storage.stored_rows import StoredRows
from pipeline.training.head_files import read_heads
from pipeline.training.heads import Probe
from pipeline.training.pseudo_labels import read_pseudo_labels
from pipeline.training.text_side import check_text_side


@dataclass(frozen=True)
class FitInputs:
    """The bank and what was made from it.

    Attributes:
        about: What the bank's store says of itself.
        features: Of the bank [m d], read shard by shard where they take more than 1 GiB.
        labels: Of the bank, -1 where there is none.
        pseudo_labels: Of the bank, -1 for rows that were not kept, or without a text tower.
        text: Arrays of the text side; none without a text tower.
        about_text: What the text store says of itself.
        probes: Trained heads by name.
        absent: Heads that do not apply, with the reason.
    """

    about: dict[str, Any]
    features: Rows
    labels: Int64[np.ndarray, " m"]
    pseudo_labels: Int64[np.ndarray, " m"]
    text: dict[str, np.ndarray]
    about_text: dict[str, Any]
    probes: dict[str, Probe]
    absent: dict[str, str]


def read_fit_inputs(bank: Path, text: Path, pseudo_labels: Path, heads: Path) -> FitInputs:
    """Read and compare.

    Raises:
        DetectorError: If the heads are of another backbone, or were trained on another bank, other
            texts, other classes or other pseudo-labels.
        HeadError: If the heads are not those that were trained.
        ValueError: If the text side is of another backbone, it or a head takes features of another
            width, or the pseudo-labels were made on another bank.
    """
    about = read_attributes(bank)
    arrays, about_text = read_arrays(text)
    probes, summary = read_heads(heads)
    check_text_side(about, about_text, arrays)
    _check_heads(about, about_text, summary, pseudo_labels)
    features = held(StoredRows(bank))
    for probe in probes.values():
        probe.logits(features[:1])  # refuses a head of another width
    pseudo = np.full(about["rows"], -1)
    if about_text["applicable"]:
        table, _ = read_pseudo_labels(pseudo_labels, about, classes=len(about_text["class_names"]))
        pseudo[table["row"].to_numpy()] = table["pseudo_label"].to_numpy()
    return FitInputs(
        about,
        features,
        read_labels(bank).astype(np.int64),
        pseudo,
        arrays,
        about_text,
        probes,
        {
            name: entry["reason"]
            for name, entry in summary["heads"].items()
            if not entry.get("applicable", True)
        },
    )


def _check_heads(
    about: dict[str, Any], text: dict[str, Any], heads: dict[str, Any], pseudo_labels: Path
) -> None:
    """Refuse heads that were not trained on this bank, these texts and these pseudo-labels."""
    if heads["backbone"] != about["backbone"]:
        raise DetectorError(
            f"bank and heads must be of one backbone, got '{about['backbone']}' and "
            f"'{heads['backbone']}'; run `dvc repro`"
        )
    told = heads["fitted_on"]
    if not isinstance(told.get("bank"), dict) or not told["bank"]:
        raise DetectorError("heads.json must name the bank of the heads; run `dvc repro -f` for it")
    pairs = [(f"bank's {key}", value, about.get(key)) for key, value in told["bank"].items()]
    pairs += [(f"text's {key}", told.get(key), text.get(key)) for key in ("prompts", "names")]
    pairs += [("number of classes", heads["classes"], len(text["class_names"]))]
    if "pseudo_labels" in told:
        pairs += [("file of pseudo-labels", told["pseudo_labels"], file_hash(pseudo_labels))]
    for what, theirs, ours in pairs:
        if theirs != ours:
            raise DetectorError(
                f"heads must be trained on the bank, the texts and the pseudo-labels that they are "
                f"fitted with, but the {what} was {theirs!r} and is {ours!r}; run `dvc repro` for "
                "`probe`"
            )
