"""A detector: everything that section ``fit`` names, fitted on one bank, or why a part is not."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from pipeline.classifier_names import ZERO_SHOT
from pipeline.detectors import fitting
from pipeline.detectors.detector import Detector
from pipeline.detectors.fit_inputs import FitInputs
from pipeline.detectors.fitting import FitParams, GaussianSpec, NoClassError
from pipeline.detectors.head_rows import Head, ZeroShot, logits_of
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.rounding import check_spread, rounding_covariance
from pipeline.detectors.subspace import NoResidualError

AnyHead = TypeVar("AnyHead")


@dataclass(frozen=True)
class _LogitHeads:
    """Everything that gives logits, by name, and what gives none with the reason."""

    there: Mapping[str, Head]
    absent: Mapping[str, str]


def fit_detector(inputs: FitInputs, params: FitParams, *, fitted_on: dict[str, Any]) -> Detector:
    """Fit everything that section ``fit`` names.

    What this backbone or this bank cannot have is noted with the reason, and the scores that need
    it do not apply: a head or text that there is none of, classes without labels, a residual of too
    few images.

    Args:
        inputs: The bank and what was made from it.
        params: Section ``fit``.
        fitted_on: The fact of that name, see `fit_origin`.

    Raises:
        ValueError: If the parameters name a head that was not trained, a labelled class has a
            single image, or the store's dtype rounded the bank to pieces.
    """
    features, dtype = inputs.features, inputs.about["dtype"]
    check_spread(features, dtype=dtype)
    parts = {f"heads/{name}": vars(probe) for name, probe in inputs.probes.items()}
    facts: dict[str, Any] = {"fitted_on": fitted_on}
    reasons = {f"heads/{name}": reason for name, reason in inputs.absent.items()}
    with _reason_noted(reasons, "text/text"):
        parts["text/text"], facts["text/text"] = _text(inputs)
    logits = _with_zero_shot(inputs)
    for name, spec in params.gaussians.items():
        with _reason_noted(reasons, key := f"gaussians/{name}"):
            parts[key], facts[key] = _gaussians(inputs, logits, name, spec)
    rounding = rounding_covariance(features, dtype=dtype)
    for name in params.residuals:
        with _reason_noted(reasons, key := f"residuals/{name}"):
            head = None
            if name != "mean":
                head = _taken(name, inputs.probes, inputs.absent, section="fit.residuals")
            parts[key] = fitting.fit_residuals(
                features, head, dimension=params.residual_dimension, rounding=rounding
            )
    for name in params.head_statistics:
        keys = f"energies/{name}", f"posteriors/{name}"
        with _reason_noted(reasons, *keys):
            head = _taken(name, logits.there, logits.absent, section="fit.head_statistics")
            parts |= dict(zip(keys, fitting.head_statistics(features, head), strict=True))
    threshold = fitting.clip_threshold(features, quantile=params.clip_quantile)
    parts["clipping/features"] = {"threshold": threshold}
    described = {key: inputs.about[key] for key in ("width", "norm", "space")}
    return Detector(inputs.about["backbone"], described, parts, facts, reasons)


@contextmanager
def _reason_noted(reasons: dict[str, str], *keys: str) -> Iterator[None]:
    """Where parts cannot be had, note the reason in their place and go on."""
    try:
        yield
    except (NotApplicableError, NoClassError, NoResidualError) as reason:
        reasons.update(dict.fromkeys(keys, str(reason)))


def _text(inputs: FitInputs) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the text side as a part, and what is to be known of it."""
    about = inputs.about_text
    if not about["applicable"]:
        raise NotApplicableError(about["reason"])
    told = ("logit_scale", "prompts", "names", "equal_names")
    return inputs.text, {key: about.get(key) for key in told}


def _with_zero_shot(inputs: FitInputs) -> _LogitHeads:
    """Put the zero-shot classifier, or the reason why there is none, beside the trained heads."""
    try:
        text, about = _text(inputs)
        head = ZeroShot(text, about["logit_scale"])
        head.logits(inputs.features[:1])
    except NotApplicableError as reason:
        return _LogitHeads(inputs.probes, {**inputs.absent, ZERO_SHOT: str(reason)})
    return _LogitHeads({**inputs.probes, ZERO_SHOT: head}, inputs.absent)


def _taken(
    name: str, there: Mapping[str, AnyHead], absent: Mapping[str, str], *, section: str
) -> AnyHead:
    """Return the head that a section names, refuse one that was not trained."""
    if not fitting.select([name], there, absent, section):
        raise NotApplicableError(absent[name])
    return there[name]


def _gaussians(
    inputs: FitInputs, logits: _LogitHeads, name: str, spec: GaussianSpec
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Fit one entry of ``fit.gaussians`` in the space and with the classes that it names."""
    head = None
    if spec.space != "features":
        section = f"fit.gaussians.{name}.space"
        head = _taken(spec.space, logits.there, logits.absent, section=section)
    if spec.classes == "pseudo_labels" and not inputs.about_text["applicable"]:
        raise NotApplicableError(inputs.about_text["reason"])
    if spec.classes == "labels" and (inputs.labels < 0).all():
        raise NotApplicableError("the bank has no labels")
    try:
        return fitting.fit_gaussians(
            inputs.features if head is None else logits_of(inputs.features, head),
            inputs.pseudo_labels if spec.classes == "pseudo_labels" else inputs.labels,
            spec,
            inputs.about_text["class_names"],
            dtype=inputs.about["dtype"],
        )
    except NoClassError:
        raise
    except ValueError as error:
        error.add_note(f"while fitting fit.gaussians.{name}, in the space {spec.space}")
        raise
