"""Every score of the tables: one page each, and the line that names it here.

A page holds the definition, a pure function over arrays, and ``score(query, **parameters)``, which
takes what the definition needs from the query and the detector; ``NEEDS`` says what that is.
Higher = more in-distribution.
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pipeline.detectors.query import Query
from pipeline.scores import (  # noqa: F401 - used by their names
    energy,
    entropy,
    fused,
    gen,
    kl_matching,
    knn,
    mahalanobis,
    max_cosine,
    max_logit,
    mcm,
    msp,
    neglabel,
    nnguide,
    react,
    relative_mahalanobis,
    residual,
    vim,
)
from pipeline.scores.needs import Needs
from pipeline.scores.parameters import checked_parameters, defaults


def declared(page: ModuleType) -> Needs:
    """What a page says that its score needs.

    Raises:
        ValueError: If it says nothing; it would be taken for a score of a head's logits.
    """
    if not isinstance(needs := getattr(page, "NEEDS", None), Needs):
        raise ValueError(
            f"{page.__name__} must declare what its score takes besides features and heads, as "
            f"NEEDS = Needs(text=True), got {needs!r}; see pipeline/scores/needs.py"
        )
    return needs


# Every page above by its name, so that a new score is its file and one line here.
_PAGES: dict[str, ModuleType] = {
    name: page
    for name, page in sorted(globals().items())
    if isinstance(page, ModuleType) and hasattr(page, "score")
}
SCORES: dict[str, Callable[..., Any]] = {name: page.score for name, page in _PAGES.items()}
NEEDS: dict[str, Needs] = {name: declared(page) for name, page in _PAGES.items()}


def check_methods(methods: Mapping[Any, Any]) -> None:
    """Refuse methods that name no score, misuse its parameters, or share a column of the tables.

    Args:
        methods: Section ``methods``: by name, ``score`` and the score's parameters.

    Raises:
        ValueError: Naming the method, its value and what is known or allowed.
    """
    columns: dict[str, str] = {}
    for name, entry in methods.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"a method's name must be a text, got {name!r} in methods; quote it")
        if not isinstance(entry, Mapping) or "score" not in entry:
            raise ValueError(f"methods.{name} must be a mapping that names a score, got {entry!r}")
        if not isinstance(entry["score"], str) or entry["score"] not in SCORES:
            raise ValueError(
                f"unknown score '{entry['score']}' in methods.{name}; known: {', '.join(SCORES)}"
            )
        checked_parameters(name, entry, SCORES[entry["score"]])
        for column in method_names(name, entry):
            if column in columns:
                raise ValueError(
                    f"methods.{columns[column]} and methods.{name} both write the column "
                    f"'{column}'; rename one of them"
                )
            columns[column] = name


def method_names(name: str, entry: Mapping[str, Any]) -> list[str]:
    """Names in the tables of one entry: one for each k where k is a list."""
    if isinstance(entry.get("k"), list):
        return [f"{name}_{k}" for k in entry["k"]]
    return [name]


def asked_neighbours(entry: Mapping[str, Any]) -> list[int]:
    """Every k of one entry of ``methods``; none where its score takes no neighbours."""
    if NEEDS[entry["score"]].neighbours is None:
        return []
    k = (defaults(SCORES[entry["score"]]) | dict(entry))["k"]
    return k if isinstance(k, list) else [k]


def method_settings(methods: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Score and parameters of each method by its name in the tables, defaults included."""
    found: dict[str, dict[str, Any]] = {}
    for name, entry in methods.items():
        score = SCORES[entry["score"]]
        every = defaults(score) | checked_parameters(name, entry, score)
        columns = method_names(name, entry)
        found |= {column: {"score": entry["score"], **every} for column in columns}
        if isinstance(every.get("k"), list):
            for column, k in zip(columns, every["k"], strict=True):
                found[column]["k"] = k
    return found


def compute(
    query: Query, name: str, entry: Mapping[str, Any]
) -> dict[str, Shaped[np.ndarray, " n"]]:
    """Scores of one entry of ``methods``, by the names in the tables.

    Raises:
        ValueError: If the score returns anything but one number a row, or, for a list of k, one
            number a row for each k.
    """
    score = SCORES[entry["score"]]
    result = score(query, **checked_parameters(name, entry, score))
    columns = {name: result}
    if isinstance(result, dict):
        columns = {f"{name}_{suffix}": scores for suffix, scores in result.items()}
    if set(columns) != set(wanted := method_names(name, entry)):
        raise ValueError(
            f"the score '{entry['score']}' must return a dict of one array for each k where k is "
            f"a list, and one array elsewhere, here for {', '.join(wanted)}, got "
            f"{', '.join(columns) or 'none'}; mend what {score.__module__}.{score.__name__} returns"
        )
    rows = len(query.features)
    for column, scores in columns.items():
        if not _is_one_number_a_row(scores, rows):
            raise ValueError(
                f"the score '{entry['score']}' must return a NumPy array of one real number a row, "
                f"here of shape ({rows},), got {_described(scores)} for {column}; mend what "
                f"{score.__module__}.{score.__name__} returns"
            )
    return columns


def _is_one_number_a_row(scores: Any, rows: int) -> bool:
    return (
        isinstance(scores, np.ndarray)
        and scores.shape == (rows,)
        and scores.dtype.kind in "fiu"  # a real number; whether it is finite is seen later
    )


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return "None" if value is None else f"a {type(value).__name__}"
