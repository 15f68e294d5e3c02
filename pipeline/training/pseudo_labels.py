"""Pseudo-labels: the zero-shot class of every bank image, and the file they are kept in."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float32, Int32

from pipeline.geometry import unit_norm
from pipeline.parquet_files import write_parquet

SCHEMA = {"row": pl.Int64, "pseudo_label": pl.Int32, "confidence": pl.Float32}
BANK = ("backbone", "dataset", "key", "rows")  # what tells one bank store from another
FLOAT32 = np.finfo(np.float32)


@dataclass(frozen=True)
class PseudoLabelParams:
    """Section `pseudo_label`. The defaults are the paper's: hard labels, no filter.

    Attributes:
        soft: PLP learns the softmax of cosines / temperature instead of the argmax.
        temperature: Divisor of the cosines in that softmax, positive and finite in float32; CLIP's
            own is 1 / logit_scale = 0.01. None: no softmax, the confidence is the cosine itself.
        min_confidence: Rows below are left out of PLP's training set; a probability where there
            is a temperature, else a cosine. None keeps all.
        keep: Share of each pseudo-class to keep, the most confident first; 1.0 keeps all.
    """

    soft: bool = False
    temperature: float | None = None
    min_confidence: float | None = None
    keep: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.soft and self.temperature is None:
            raise ValueError(
                "pseudo_label.soft needs pseudo_label.temperature (CLIP's own is 0.01), got null"
            )
        least, most = float(FLOAT32.tiny), float(FLOAT32.max)  # the softmax is float32
        if self.temperature is not None and not least <= self.temperature <= most:
            raise ValueError(
                "pseudo_label.temperature must be positive and finite in float32, got "
                f"{self.temperature}; CLIP's own is 0.01"
            )
        if self.min_confidence is not None and not -1 <= self.min_confidence <= 1:
            raise ValueError(
                "pseudo_label.min_confidence must be in [-1, 1], a cosine or a probability, or "
                f"null, got {self.min_confidence}"
            )
        if not 0 < self.keep <= 1:
            raise ValueError(f"pseudo_label.keep must be in (0, 1], got {self.keep}")


def embeddings(
    features: Float32[np.ndarray, "n d"], projection: Float32[np.ndarray, "d e"] | None
) -> Float32[np.ndarray, "n e"]:
    """Return unit vectors in the joint space; without a projection the features are there."""
    return unit_norm(features if projection is None else features @ projection)


def cosine_softmax(
    cosines: Float32[np.ndarray, "n c"], *, temperature: float
) -> Float32[np.ndarray, "n c"]:
    """Return the softmax over classes of cosines / temperature."""
    scaled = (cosines - cosines.max(axis=1, keepdims=True)) / np.float32(temperature)
    powers = np.exp(scaled)
    return powers / powers.sum(axis=1, keepdims=True)


def assign(
    shards: Iterable[Float32[np.ndarray, "_ d"]],
    class_embeddings: Float32[np.ndarray, "c e"],
    projection: Float32[np.ndarray, "d e"] | None,
    *,
    temperature: float | None = None,
) -> tuple[Int32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Return the class of the nearest text and the confidence, shard by shard.

    Cosines are float32: in half precision they tie. Equal cosines go to the first class.

    Returns:
        Pseudo-labels, and their cosines, or probabilities where there is a temperature.
    """
    labels, confidence = [], []
    for features in shards:
        cosines = embeddings(features, projection) @ class_embeddings.T
        labels.append(cosines.argmax(axis=1).astype(np.int32))
        values = (
            cosines if temperature is None else cosine_softmax(cosines, temperature=temperature)
        )
        confidence.append(values.max(axis=1))
    if not labels:
        raise ValueError("the bank has no rows; pseudo-labels need ID training images")
    return np.concatenate(labels), np.concatenate(confidence)


def write_pseudo_labels(
    path: Path, table: pl.DataFrame, bank: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Write the table whole, with its options and the bank it was made on; same bytes twice.

    Args:
        path: A Parquet file.
        table: Columns as in `SCHEMA`, rows ascending.
        bank: Attributes of the bank's store.
        options: Section `pseudo_label` as it was; empty where no pseudo-label applies.
    """
    made_on = {key: bank.get(key) for key in BANK}
    about = {"made_on": made_on, "options": dict(options)}
    metadata = {key: json.dumps(value, sort_keys=True) for key, value in about.items()}
    write_parquet(path, table, statistics=False, metadata=metadata)


def read_pseudo_labels(
    path: Path, bank: Mapping[str, Any], *, classes: int
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the pseudo-labels of one bank, and the options they were made with.

    Args:
        path: A file of `write_pseudo_labels`.
        bank: Attributes of the bank's store.
        classes: Number of classes c.

    Returns:
        One row a kept image (row of the bank, ascending; pseudo_label; confidence), no row where
        the backbone has no text tower; and the options, by name.

    Raises:
        ValueError: If they were made on another bank or the file does not say on which, a column
            is missing, or a row or a label is out of range.
    """
    metadata = pl.read_parquet_metadata(path)
    wanted = {key: bank.get(key) for key in BANK}
    made_on = json.loads(metadata.get("made_on", "null"))
    if made_on != wanted:
        raise ValueError(
            f"pseudo-labels and bank must belong together: {path} was made on {_told(made_on)}, "
            f"the bank is {_told(wanted)}; run `dvc repro` for `pseudo_label`"
        )
    table = pl.read_parquet(path)
    if missing := [name for name in SCHEMA if name not in table.columns]:
        raise ValueError(
            f"{path} needs the columns {', '.join(SCHEMA)}, it lacks '{missing[0]}'; run "
            "`dvc repro -f` for `pseudo_label`"
        )
    rows, labels = table["row"].to_numpy(), table["pseudo_label"].to_numpy()
    if len(rows) and not (rows[0] >= 0 and rows[-1] < bank["rows"] and (np.diff(rows) > 0).all()):
        raise ValueError(
            f"rows of {path} must ascend, each once, within 0 .. {bank['rows'] - 1}, got "
            f"{rows.min()} .. {rows.max()}; run `dvc repro -f` for `pseudo_label`"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"pseudo-labels of {path} must be in 0 .. {classes - 1}, got {labels.min()} .. "
            f"{labels.max()}; bank and class names are of different data sets"
        )
    return table, json.loads(metadata.get("options", "{}"))


def _told(bank: Mapping[str, Any] | None) -> str:
    if bank is None:
        return "a bank it does not name"
    return ", ".join(f"{key} {bank[key]!r}" for key in BANK)
