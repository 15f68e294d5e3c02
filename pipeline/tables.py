"""The tables between scoring and statistics: one row an image and method, in Parquet.

A score table holds ``row, method, score``; a prediction table ``row, classifier, prediction,
label``. Methods that do not apply to a backbone have no rows: their reasons stand in the file's
key-value metadata under ``not_applicable``, so that no table is silently shorter than another.
What the table is of stands there too, see `pipeline.table_origins`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from pipeline.long_tables import FLOAT, INTEGER, TEXT, again, read_metadata, read_table, write_table

_REASONS, ABOUT = "not_applicable", "about"


def write_scores(
    path: Path,
    scores: Mapping[str, Float[np.ndarray, " n"]],
    *,
    not_applicable: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write the scores of one dataset under every method, sorted by method and row.

    Args:
        path: Parquet file to write, whole or not at all.
        scores: One array per method in row order, float32 or float64, higher = more
            in-distribution. One float64 array makes the column float64; nothing is rounded.
        not_applicable: Methods that cannot score this backbone, each with its reason.
        about: Which backbone, dataset and detector they are of, and what else a reader may ask.

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
    write_table(path, frame, _metadata(reasons, about))


def read_scores(path: Path) -> tuple[dict[str, Float[np.ndarray, " n"]], dict[str, str]]:
    """Return the scores by method in row order, and the reasons of those not applicable.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If it is no such table, does not hold every row once under every method, or a
            score is not finite.
    """
    frame = read_table(path, {"row": INTEGER, "method": TEXT, "score": FLOAT})
    scores = {
        str(method): part["score"].to_numpy() for (method,), part in _parts(path, frame, "method")
    }
    if bad := [method for method, values in scores.items() if not np.isfinite(values).all()]:
        raise ValueError(
            f"{path} holds scores that are not finite under {', '.join(bad)}; {again(path)}"
        )
    return scores, _reasons(path)


def write_predictions(
    path: Path,
    predictions: Mapping[str, Int[np.ndarray, " n"]],
    labels: Int[np.ndarray, " n"],
    *,
    not_applicable: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write the predicted class of each image under every classifier, beside its label.

    Args:
        path: Parquet file to write, whole or not at all.
        predictions: One array of class numbers per classifier, in row order.
        labels: True class of each image; -1 where there is none.
        not_applicable: Classifiers that this backbone does not have, each with its reason.
        about: Which backbone, dataset and detector they are of.

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
    write_table(path, frame, _metadata(reasons, about))


def read_predictions(
    path: Path,
) -> tuple[dict[str, Int[np.ndarray, " n"]], Int[np.ndarray, " n"], dict[str, str]]:
    """Return predictions by classifier, the labels, and the reasons of those not applicable.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If it is no such table, or does not hold every row once under every classifier.
    """
    numbers = dict.fromkeys(("row", "prediction", "label"), INTEGER)
    frame = read_table(path, numbers | {"classifier": TEXT})
    parts = {str(name): part for (name,), part in _parts(path, frame, "classifier")}
    labels = next(iter(parts.values()))["label"].to_numpy() if parts else np.zeros(0, np.int32)
    return (
        {name: part["prediction"].to_numpy() for name, part in parts.items()},
        labels,
        _reasons(path),
    )


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
                f"got {len(part)} rows; {again(path)}"
            )
    return parts


def _metadata(reasons: Mapping[str, str], about: Mapping[str, Any] | None) -> dict[str, Any]:
    return {_REASONS: dict(reasons)} | ({} if about is None else {ABOUT: dict(about)})


def _reasons(path: Path) -> dict[str, str]:
    """Why methods do not apply, as the table says."""
    reasons = read_metadata(path, _REASONS)
    if other := [name for name, reason in reasons.items() if not isinstance(reason, str)]:
        raise ValueError(
            f"{path} must give the reason why '{other[0]}' does not apply as a text, got "
            f"{reasons[other[0]]!r}; {again(path)}"
        )
    return reasons
