"""What a score or prediction table is of, so that tables of different origin are never compared.

``about`` in a table's metadata names the backbone, the dataset and the detector (its hash). A score
table also says under ``recall``, by method, what share of the true neighbours an approximate index
found (``share``) among the ``k`` that it was asked for; exact searches have no entry there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.long_tables import again, read_metadata
from pipeline.tables import ABOUT

_ORIGIN = ("backbone", "dataset", "detector")


def read_origin(path: Path) -> dict[str, Any]:
    """Return what a table says of itself.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If it does not name its backbone, dataset and detector.
    """
    about = read_metadata(path, ABOUT)
    for key in _ORIGIN:
        if not isinstance(about.get(key), str) or not about[key]:
            raise ValueError(
                f"{path} must say in its metadata of which {key} it is, got {about.get(key)!r}; "
                f"{again(path)}"
            )
    return about


def check_origins(tables: Mapping[Path, str], *, backbone: str) -> None:
    """Refuse tables that do not belong together.

    Args:
        tables: The dataset that each must be of.
        backbone: That all must be of.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If a table does not say what it is of, is of another backbone or dataset, or
            two come from different detectors.
    """
    origins = {path: read_origin(path) for path in tables}
    for path, dataset in tables.items():
        for key, wanted in (("backbone", backbone), ("dataset", dataset)):
            if origins[path][key] != wanted:
                raise ValueError(
                    f"{path} must be of the {key} '{wanted}', got '{origins[path][key]}'; "
                    f"{again(path)}"
                )
    first, *others = tables
    for path in others:
        one, other = origins[first]["detector"], origins[path]["detector"]
        if one != other:
            raise ValueError(
                f"tables that are compared must come from one detector, but {first} is of "
                f"{one[:12]} and {path} of {other[:12]}; {again(first, path)}"
            )
