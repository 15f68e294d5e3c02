"""JSON for files that are kept in git: sorted, rounded, one small thing a line, never NaN."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from pipeline.files import write_text


def json_text(value: Any, *, digits: int = 6) -> str:
    """Write nested mappings as indented lines; lists and mappings of scalars stay on one line.

    Args:
        value: Mappings with string keys, lists, strings, booleans, numbers. Floats are rounded to
            `digits` decimals, or as many significant digits where they are above 1 in size.
        digits: How many digits to keep.

    Raises:
        ValueError: If a number is NaN or infinite; the message says where.
    """
    return _lines(_rounded(value, digits, where="the record"), indent=0) + "\n"


def write_json(path: Path, value: Any, *, digits: int = 6) -> None:
    """Write `json_text` to a file, whole or not at all, making its folders."""
    write_text(path, json_text(value, digits=digits))


def json_digest(value: Any) -> str:
    """Return the sha256 of JSON-ready values; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Read one record.

    Raises:
        FileNotFoundError: If it is missing; the message names it and the cure.
        ValueError: If it is no JSON mapping.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no record {path}; run `dvc repro` so that the stage that writes it runs, "
            "or take its name out of params.yaml"
        )
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}); remove it and run `dvc repro`") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold one JSON mapping, got {type(value).__name__}")
    return value


def _rounded(value: Any, digits: int, *, where: str) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item, digits, where=f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item, digits, where=where) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} must be a finite number, got {value}")
        short = float(f"{value:.{digits}g}") if abs(value) > 1 else round(value, digits)
        return short + 0.0  # no negative zero
    return value


def _lines(value: Any, *, indent: int) -> str:
    if not isinstance(value, dict) or not any(isinstance(v, dict | list) for v in value.values()):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    pad = " " * (indent + 1)
    inner = ",\n".join(
        f"{pad}{json.dumps(key, ensure_ascii=False)}: {_lines(value[key], indent=indent + 1)}"
        for key in sorted(value)
    )
    return "{\n" + inner + "\n" + " " * indent + "}"
