"""Fit the detector of one backbone on its bank of ID training features.

    python -m stages.fit BANK TEXT PSEUDO_LABELS HEADS DETECTOR

Reads   BANK           Zarr store of ID training features
        TEXT           class embeddings and projection, or the reason why there are none
        PSEUDO_LABELS  row, pseudo_label of the bank's images
        HEADS          folder of trained heads
Writes  DETECTOR       folder: detector.safetensors, detector.json
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.classifier_names import ZERO_SHOT
from pipeline.detectors import fitting
from pipeline.detectors.detector import Detector, write_detector
from pipeline.detectors.fit_inputs import FitInputs, read_fit_inputs
from pipeline.detectors.fitting import FitParams, GaussianSpec, NoClassError
from pipeline.detectors.head_rows import Head, ZeroShot, logits_of
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.rounding import check_spread, rounding_covariance
from pipeline.detectors.subspace import NoResidualError
from pipeline.files import file_hash
from pipeline.params import load_params
from pipeline.stage import run_stage


def run(bank: Path, text: Path, pseudo_labels: Path, heads: Path, params: FitParams) -> Detector:
    """Fit everything that section ``fit`` names; see the module docstring.

    What this backbone or this bank cannot have is noted with the reason, and the scores that need
    it do not apply: a head or text that there is none of, classes without labels, a residual of too
    few images. What the parameters get wrong, a labelled class of a single image, and a bank that
    the store's dtype rounded to pieces are errors.
    """
    inputs = read_fit_inputs(bank, text, pseudo_labels, heads)
    features, probes, absent = inputs.features, inputs.probes, inputs.absent
    check_spread(features, dtype=inputs.about["dtype"])
    parts = {f"heads/{name}": vars(probe) for name, probe in probes.items()}
    facts: dict[str, Any] = {}
    reasons = {f"heads/{name}": reason for name, reason in absent.items()}
    if inputs.about_text["applicable"]:
        parts["text/text"] = inputs.text
        facts["text/text"] = {
            key: inputs.about_text.get(key)
            for key in ("logit_scale", "prompts", "names", "equal_names")
        }
    else:
        reasons["text/text"] = inputs.about_text["reason"]

    with_logits, without = _with_zero_shot(inputs)
    for name, spec in params.gaussians.items():
        key = f"gaussians/{name}"
        where = f"fit.gaussians.{name}.space"
        if spec.space != "features" and not fitting.select(
            [spec.space], with_logits, without, where
        ):
            reasons[key] = without[spec.space]
        elif spec.classes == "pseudo_labels" and not inputs.about_text["applicable"]:
            reasons[key] = inputs.about_text["reason"]
        elif spec.classes == "labels" and (inputs.labels < 0).all():
            reasons[key] = "the bank has no labels"
        else:
            try:
                parts[key], facts[key] = _gaussians(inputs, with_logits, spec)
            except NoClassError as reason:
                reasons[key] = str(reason)
            except ValueError as error:
                error.add_note(f"while fitting fit.gaussians.{name}, in the space {spec.space}")
                raise
    rounding = rounding_covariance(features, dtype=inputs.about["dtype"])
    for name in params.residuals:
        key = f"residuals/{name}"
        if name != "mean" and not fitting.select([name], probes, absent, "fit.residuals"):
            reasons[key] = absent[name]
            continue
        head = None if name == "mean" else probes[name]
        try:
            parts[key] = fitting.fit_residuals(
                features, head, dimension=params.residual_dimension, rounding=rounding
            )
        except NoResidualError as reason:
            reasons[key] = str(reason)
    for name in params.head_statistics:
        keys = f"energies/{name}", f"posteriors/{name}"
        if fitting.select([name], with_logits, without, "fit.head_statistics"):
            statistics = fitting.head_statistics(features, with_logits[name])
            parts |= dict(zip(keys, statistics, strict=True))
        else:
            reasons |= dict.fromkeys(keys, without[name])
    threshold = fitting.clip_threshold(features, quantile=params.clip_quantile)
    parts["clipping/features"] = {"threshold": threshold}

    facts["fitted_on"] = {
        "bank": {key: inputs.about.get(key) for key in ("dataset", "key", "rows")},
        "heads": {path.name: file_hash(path) for path in sorted(heads.glob("*.safetensors"))},
        "pseudo_labels": file_hash(pseudo_labels),
        "text": {
            name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
            for name, array in sorted(inputs.text.items())
        },
    }
    described = {key: inputs.about[key] for key in ("width", "norm", "space")}
    return Detector(inputs.about["backbone"], described, parts, facts, reasons)


def _with_zero_shot(inputs: FitInputs) -> tuple[dict[str, Head], dict[str, str]]:
    """Everything that gives logits, by name, and what gives none with the reason."""
    if not inputs.about_text["applicable"]:
        return {**inputs.probes}, inputs.absent | {ZERO_SHOT: inputs.about_text["reason"]}
    head = ZeroShot(inputs.text, inputs.about_text.get("logit_scale"))
    try:
        head.logits(inputs.features[:1])
    except NotApplicableError as reason:
        return {**inputs.probes}, inputs.absent | {ZERO_SHOT: str(reason)}
    return {**inputs.probes, ZERO_SHOT: head}, inputs.absent


def _gaussians(
    inputs: FitInputs, heads: dict[str, Head], spec: GaussianSpec
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Fit one entry of ``fit.gaussians`` in the space and with the classes that it names."""
    classes = inputs.pseudo_labels if spec.classes == "pseudo_labels" else inputs.labels
    space = inputs.features
    if spec.space != "features":
        space = logits_of(space, heads[spec.space])
    return fitting.fit_gaussians(
        space, classes, spec, inputs.about_text["class_names"], dtype=inputs.about["dtype"]
    )


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("bank", "text", "pseudo_labels", "heads", "detector"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    detector = run(
        args.bank, args.text, args.pseudo_labels, args.heads, load_params("fit", FitParams)
    )
    write_detector(args.detector, detector)
    for key, fact in sorted(detector.facts.items()):
        if key.startswith("gaussians/"):
            print(
                f"{detector.backbone}: {key} on {fact['rows']} rows, {fact['classes_fitted']} "
                f"classes, condition {fact['condition_number']:.1e}, "
                f"shrinkage {fact['shrinkage_used']}"
            )
    for key, reason in sorted(detector.not_applicable.items()):
        print(f"{detector.backbone}: {key} not applicable: {reason}")


if __name__ == "__main__":
    run_stage(main)
