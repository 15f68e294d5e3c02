"""What a detector's facts and arrays must be: whatever a score looks up is there, and fits."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from pipeline.classifier_names import ZERO_SHOT
from pipeline.declared_arrays import check_arrays
from pipeline.detectors.gaussians import ClassGaussians
from pipeline.detectors.subspace import ResidualSpace
from pipeline.training.heads import Probe

Parts = Mapping[str, Mapping[str, np.ndarray]]


def _fields(declared: type) -> dict[str, Any]:
    return {field.name: field.type for field in dataclasses.fields(declared)}


# c ID classes, d width, e joint width, m bank; of one part: k classes fitted, p posteriors
_ARRAYS: dict[str, dict[str, Any]] = {
    "text": {
        "projection": Float32[np.ndarray, "d e"],
        "class_embeddings": Float32[np.ndarray, "c e"],
        "negative_embeddings": Float32[np.ndarray, "w e"],
    },
    "heads": _fields(Probe),
    "gaussians": _fields(ClassGaussians),
    "residuals": _fields(ResidualSpace) | {"scale": Float64[np.ndarray, ""]},
    "energies": {"energies": Float32[np.ndarray, " m"]},
    "posteriors": {
        "posteriors": Float64[np.ndarray, "p c"],
        "classes": Int64[np.ndarray, " p"],
    },
    "clipping": {"threshold": Float64[np.ndarray, ""]},
}  # in this order, so that texts and heads say how many classes there are
_OPTIONAL = ("negative_embeddings", "projection", "scale")
_POSITIVE = ("global_variances", "scale", "std")


def check_contents(
    features: Mapping[str, Any],
    facts: Mapping[str, Any],
    not_applicable: Mapping[str, Any],
    parts: Parts,
) -> None:
    """Refuse a detector that no score could be computed from, or a wrong one.

    Args:
        features: ``width``, ``norm`` and ``space`` of what it was fitted on.
        facts: By kind/name, and ``fitted_on``.
        not_applicable: Reasons by kind/name.
        parts: Arrays by kind/name.

    Raises:
        ValueError: Naming the entry, the rule and the value.
    """
    _check_count("features.width", features.get("width"))
    _check_choice("features.norm", features.get("norm"), ("raw", "unit"))
    _check_choice("features.space", features.get("space"), ("features", "joint"))
    bank = _mapping("facts.fitted_on.bank", facts.get("fitted_on"), "bank")
    for key in ("dataset", "key"):
        _check_text(f"facts.fitted_on.bank.{key}", bank.get(key))
    _check_count("facts.fitted_on.bank.rows", bank.get("rows"))
    for key, reason in not_applicable.items():
        _check_text(f"not_applicable.{key}", reason)
    _check_parts(parts, facts, {"d": features["width"], "m": bank["rows"]})


def _check_parts(parts: Parts, facts: Mapping[str, Any], sizes: dict[str, int]) -> None:
    """Check each part with its facts."""
    kinds = list(_ARRAYS)
    if unknown := sorted(key for key in parts if key.split("/")[0] not in kinds):
        raise ValueError(f"unknown part '{unknown[0]}'; known kinds: {', '.join(kinds)}")
    for key in sorted(parts, key=lambda key: (kinds.index(key.split("/")[0]), key)):
        kind, known = key.split("/")[0], dict(sizes)
        if kind == "text":
            _check_scale(key, _mapping(f"facts.{key}", facts, key))
            if "projection" not in parts[key]:
                known["e"] = known["d"]  # features are in the joint space already
        elif kind == "gaussians":
            space = _gaussians_space(key, _mapping(f"facts.{key}", facts, key), parts)
            known = {"d": sizes["d" if space == "features" else "c"]}  # its c are those fitted
        try:
            found = check_arrays(
                parts[key], _ARRAYS[kind], sizes=known, optional=_OPTIONAL, positive=_POSITIVE
            )
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
        if kind in ("text", "heads"):
            sizes["c"] = found["c"]


def _check_scale(key: str, said: Mapping[str, Any]) -> None:
    scale = said.get("logit_scale")
    if scale is not None and not (type(scale) in (int, float) and 0 < scale < math.inf):
        raise ValueError(
            f"facts.{key}.logit_scale must be a number above 0, or null, got {scale!r}"
        )


def _gaussians_space(key: str, said: Mapping[str, Any], parts: Parts) -> str:
    """Check what is read of the facts of one entry of ``fit.gaussians``; return its space."""
    heads = sorted(part.split("/", 1)[1] for part in parts if part.startswith("heads/"))
    zero_shot = [ZERO_SHOT] if any(part.startswith("text/") for part in parts) else []
    for name, known in (
        ("classes", ("labels", "pseudo_labels", "kmeans")),
        ("norm", ("stored", "unit")),
        ("space", ("features", *zero_shot, *heads)),
    ):
        _check_choice(f"facts.{key}.{name}", said.get(name), known)
    return said["space"]


def _mapping(where: str, parent: Any, key: str) -> Mapping[str, Any]:
    value = parent.get(key) if isinstance(parent, Mapping) else None
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be a mapping, got {value!r}")
    return value


def _check_text(where: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be a text, got {value!r}")


def _check_count(where: str, value: Any) -> None:
    if type(value) is not int or value < 1:
        raise ValueError(f"{where} must be a whole number above 0, got {value!r}")


def _check_choice(where: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{where} must be one of {', '.join(known)}, got {value!r}")
