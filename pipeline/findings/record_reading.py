"""One JSON record of a study, read under its exact name; a missing or foreign one is an error."""

from pathlib import Path
from typing import Any

from pipeline.json_text import read_json


def read_record(path: Path, **expected: str) -> dict[str, Any]:
    """Read one record and check that it is of what its place says.

    Args:
        path: A JSON file.
        **expected: Keys of the record with the value that each must have.

    Raises:
        FileNotFoundError: If it is missing; the message names it and the cure.
        ValueError: If it is no JSON, or a key is missing or has another value.
    """
    record = read_json(path)
    for key, value in expected.items():
        if record.get(key) != value:
            raise ValueError(
                f"{path} must be the record of {key} '{value}', got {record.get(key)!r}; "
                "run `dvc repro` to make it again"
            )
    return record
