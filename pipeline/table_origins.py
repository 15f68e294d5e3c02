"""What a score or prediction table is of, so that tables of different origin are never compared.

``about`` in a table's metadata names the backbone, the dataset and the detector (its hash). A score
table also names the ``bank`` that the detector was fitted on and holds the settings of each method
(``methods``). Under ``recall`` it says, by method, what share of the true neighbours an approximate
index found (``share``) among the ``k`` that it was asked for; exact searches have no entry there.
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


def read_recalls(id_scores: Path, ood_scores: Path) -> dict[str, dict[str, float | int]]:
    """Recall of approximate searches by method: neighbours ``k``, shares for ``id`` and ``ood``.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If only one of the two tables was scored by an approximate search.
    """
    of_id, of_ood = (read_metadata(p, ABOUT).get("recall", {}) for p in (id_scores, ood_scores))
    if differing := sorted(set(of_id) ^ set(of_ood)):
        raise ValueError(
            f"both tables must be scored by the same searches, only one has approximate neighbours "
            f"under {', '.join(differing)}; {again(id_scores, ood_scores)}"
        )
    return {
        method: {"k": one["k"], "id": one["share"], "ood": of_ood[method]["share"]}
        for method, one in sorted(of_id.items())
    }


def check_origins(tables: Mapping[Path, str], *, backbone: str) -> None:
    """Refuse tables that do not belong together.

    Args:
        tables: The dataset that each must be of.
        backbone: That all must be of.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If a table does not say what it is of, is of another backbone or dataset, or
            two come from different detectors or from methods with other settings.
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
    settings = {path: told["methods"] for path, told in origins.items() if "methods" in told}
    for path in settings:
        if settings[path] != (one := settings[first := next(iter(settings))]):
            differing = [name for name in one if settings[path].get(name) != one[name]]
            raise ValueError(
                f"tables that are compared must be scored with the same settings, but {first} and "
                f"{path} differ in {', '.join(differing) or 'their methods'}; {again(first, path)}"
            )
