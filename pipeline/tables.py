"""The tables between scoring and statistics: one row an image and method, in Parquet.

A score table holds ``row, method, score``; a prediction table ``row, classifier, prediction,
label``. Methods that do not apply to a backbone have no rows: their reasons stand in the file's
key-value metadata under ``not_applicable``, so that no table is silently shorter than another.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from pipeline.files import written_whole

_REASONS = "not_applicable"


def write_scores(
    path: Path,
    scores: Mapping[str, Float[np.ndarray, " n"]],
    *,
    not_applicable: Mapping[str, str] | None = None,
) -> None:
    """Write the scores of one dataset under every method, sorted by method and row.

    Args:
        path: Parquet file to write, whole or not at all.
        scores: One array per method in row order, float32 or float64, higher = more
            in-distribution. One float64 array makes the column float64; nothing is rounded.
        not_applicable: Methods that cannot score this backbone, each with its reason.

    Raises:
        ValueError: If a score is not finite, lengths differ, or a method is both scored and
            not applicable.
    """
    reasons = dict(not_applicable or {})
    _check_methods(path, set(scores), reasons)
    dtype = np.result_type(np.float32, *(np.asarray(values).dtype for values in scores.values()))
    for method, values in scores.items():
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            raise ValueError(
                f"scores of '{method}' for {path} must be finite, got {values[row]} in row {row}; "
                "check the features of that image"
            )
    rows = _common_length(path, {name: len(values) for name, values in scores.items()})
    parts = [np.asarray(scores[method], dtype=dtype) for method in sorted(scores)]
    frame = pl.DataFrame(
        {
            "row": np.tile(np.arange(rows), len(scores)),
            "method": np.repeat(np.array(sorted(scores), dtype=str), rows),
            "score": np.concatenate(parts) if parts else np.zeros(0, dtype),
        }
    )
    _write(frame, path, reasons)


def read_scores(path: Path) -> tuple[dict[str, Float[np.ndarray, " n"]], dict[str, str]]:
    """Return the scores by method in row order, and the reasons of those not applicable.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If the table does not hold every row once under every method, or a score is
            not finite.
    """
    frame, reasons = _read(path, {"row", "method", "score"})
    scores = {
        str(method): part["score"].to_numpy() for (method,), part in _parts(path, frame, "method")
    }
    if bad := [method for method, values in scores.items() if not np.isfinite(values).all()]:
        raise ValueError(f"{path} holds scores that are not finite under {', '.join(bad)}")
    return scores, reasons


def write_predictions(
    path: Path,
    predictions: Mapping[str, Int[np.ndarray, " n"]],
    labels: Int[np.ndarray, " n"],
    *,
    not_applicable: Mapping[str, str] | None = None,
) -> None:
    """Write the predicted class of each image under every classifier, beside its label.

    Args:
        path: Parquet file to write, whole or not at all.
        predictions: One array of class numbers per classifier, in row order.
        labels: True class of each image; -1 where there is none.
        not_applicable: Classifiers that this backbone does not have, each with its reason.

    Raises:
        ValueError: If lengths differ, or a classifier both predicts and is not applicable.
    """
    reasons = dict(not_applicable or {})
    _check_methods(path, set(predictions), reasons)
    names = sorted(predictions)
    rows = _common_length(
        path, {"labels": len(labels)} | {name: len(predictions[name]) for name in names}
    )
    parts = [np.asarray(predictions[name], dtype=np.int32) for name in names]
    frame = pl.DataFrame(
        {
            "row": np.tile(np.arange(rows), len(names)),
            "classifier": np.repeat(np.array(names, dtype=str), rows),
            "prediction": np.concatenate(parts) if parts else np.zeros(0, np.int32),
            "label": np.tile(np.asarray(labels, dtype=np.int32), len(names)),
        }
    )
    _write(frame, path, reasons)


def read_predictions(
    path: Path,
) -> tuple[dict[str, Int[np.ndarray, " n"]], Int[np.ndarray, " n"], dict[str, str]]:
    """Return predictions by classifier, the labels, and the reasons of those not applicable."""
    frame, reasons = _read(path, {"row", "classifier", "prediction", "label"})
    parts = {str(name): part for (name,), part in _parts(path, frame, "classifier")}
    labels = next(iter(parts.values()))["label"].to_numpy() if parts else np.zeros(0, np.int32)
    return {name: part["prediction"].to_numpy() for name, part in parts.items()}, labels, reasons


def _check_methods(path: Path, present: set[str], reasons: dict[str, str]) -> None:
    if both := sorted(present & set(reasons)):
        raise ValueError(f"{path}: '{both[0]}' cannot have values and be not applicable")


def _common_length(path: Path, lengths: dict[str, int]) -> int:
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"{path}: every column must have one value per image, got {listed}")
    return next(iter(lengths.values()), 0)


def _parts(path: Path, frame: pl.DataFrame, by: str) -> list[tuple[tuple, pl.DataFrame]]:
    """Split a long table by name and check that each part holds the rows 0 to n - 1 once."""
    parts = sorted(frame.sort(by, "row").partition_by(by, as_dict=True).items())
    longest = max((len(part) for _, part in parts), default=0)
    for (name,), part in parts:
        if not np.array_equal(part["row"].to_numpy(), np.arange(longest)):
            raise ValueError(
                f"{path} must hold the rows 0 to {longest - 1} once under '{name}', "
                f"got {len(part)} rows; remove the file and score again"
            )
    return parts


def _write(frame: pl.DataFrame, path: Path, reasons: dict[str, str]) -> None:
    with written_whole(path) as partial:
        frame.write_parquet(partial, metadata={_REASONS: json.dumps(reasons, sort_keys=True)})


def _read(path: Path, columns: set[str]) -> tuple[pl.DataFrame, dict[str, str]]:
    if not path.exists():
        raise FileNotFoundError(f"there is no table {path}; run the score stage that writes it")
    frame = pl.read_parquet(path)
    if missing := sorted(columns - set(frame.columns)):
        raise ValueError(f"{path} must have the columns {sorted(columns)}, lacks {missing}")
    return frame, json.loads(pl.read_parquet_metadata(path).get(_REASONS, "{}"))
