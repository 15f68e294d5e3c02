"""Every score of the tables: one page each, and the line that names it here.

A page holds the definition, a pure function over arrays, and ``score(query, **parameters)``, which
takes what the definition needs from the query and the detector. Higher = more in-distribution.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pipeline.detectors.query import Query
from pipeline.scores import (
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

SCORES: dict[str, Callable[..., Any]] = {
    "energy": energy.score,
    "entropy": entropy.score,
    "fused": fused.score,
    "gen": gen.score,
    "kl_matching": kl_matching.score,
    "knn": knn.score,
    "mahalanobis": mahalanobis.score,
    "max_cosine": max_cosine.score,
    "max_logit": max_logit.score,
    "mcm": mcm.score,
    "msp": msp.score,
    "neglabel": neglabel.score,
    "nnguide": nnguide.score,
    "react": react.score,
    "relative_mahalanobis": relative_mahalanobis.score,
    "residual": residual.score,
    "vim": vim.score,
}


def check_methods(methods: Mapping[str, Any]) -> None:
    """Refuse methods that name no score or give it a parameter it does not have.

    Args:
        methods: Section ``methods``: by name, ``score`` and the score's parameters.

    Raises:
        ValueError: Naming the method and the known scores or parameters.
    """
    for name, entry in methods.items():
        if not isinstance(entry, Mapping) or "score" not in entry:
            raise ValueError(f"methods.{name} must be a mapping that names a score, got {entry!r}")
        if entry["score"] not in SCORES:
            raise ValueError(
                f"unknown score '{entry['score']}' in methods.{name}; known: {', '.join(SCORES)}"
            )
        known = dict(list(inspect.signature(SCORES[entry["score"]]).parameters.items())[1:])
        given = set(entry) - {"score"}
        if unknown := sorted(given - set(known)):
            raise ValueError(
                f"unknown parameter 'methods.{name}.{unknown[0]}' of score '{entry['score']}'; "
                f"known: {', '.join(known) or 'none'}"
            )
        needed = {key for key, one in known.items() if one.default is inspect.Parameter.empty}
        if missing := sorted(needed - given):
            raise ValueError(f"missing parameter 'methods.{name}.{missing[0]}'")


def method_names(name: str, entry: Mapping[str, Any]) -> list[str]:
    """Names in the tables of one entry: one for each k where k is a list."""
    if isinstance(entry.get("k"), list):
        return [f"{name}_{k}" for k in entry["k"]]
    return [name]


def compute(query: Query, name: str, entry: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Scores of one entry of ``methods``, by the names in the tables."""
    parameters = {key: value for key, value in entry.items() if key != "score"}
    result = SCORES[entry["score"]](query, **parameters)
    if isinstance(result, dict):
        return {f"{name}_{suffix}": scores for suffix, scores in result.items()}
    return {name: result}
