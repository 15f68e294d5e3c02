"""The method whose ROC curves the report draws applies to the headline backbone."""

from collections.abc import Mapping
from typing import Any

from pipeline.classifier_names import ZERO_SHOT
from pipeline.head_names import head_kind
from pipeline.param_checks.sections import Params
from pipeline.scores import NEEDS, SCORES, method_names
from pipeline.scores.parameters import defaults

OF_TEXT = {ZERO_SHOT, "plp", "pseudo_labels"}  # PLP learns from the nearest text


def check_roc_method(params: Params) -> None:
    """Refuse a method of the text tower where the headline backbone is known to have none.

    Raises:
        ValueError: Naming the backbone and the methods that apply to it.
    """
    entry = params.models[params.backbone]
    if entry["loader"] == "open_clip" or entry.get("class_embeddings") is not None:
        return
    known = [
        column
        for name, method in params.methods.items()
        if not NEEDS[method["score"]].text and not _parts(method, params) & OF_TEXT
        for column in method_names(name, method)
    ]
    if params.report.roc_method not in known:
        raise ValueError(
            f"report.roc_method must apply to the headline backbone '{params.backbone}', which has "
            f"no text tower; got '{params.report.roc_method}', known: {', '.join(known)}"
        )


def _parts(method: Mapping[str, Any], params: Params) -> set[str]:
    """Kinds of heads, spaces and labels that a method's scores are made with."""
    every = defaults(SCORES[method["score"]]) | dict(method)
    parts = {every[key] for key in ("head", "space") if key in every} | set(every.get("heads", ()))
    for key, section in NEEDS[method["score"]].fitted.items():
        if section == "gaussians":
            gaussians = params.fit.gaussians[every[key]]
            parts |= {gaussians.classes, gaussians.space}
    return {head_kind(part) for part in parts}
