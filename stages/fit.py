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
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.detectors import fitting
from pipeline.detectors.detector import Detector, DetectorError, write_detector
from pipeline.detectors.fitting import FitParams, GaussianSpec
from pipeline.files import file_hash
from pipeline.params import load_params
from pipeline.storage.store import FeatureSet, read_arrays, read_features
from pipeline.training.heads import Probe, read_probe


def run(bank: Path, text: Path, pseudo_labels: Path, heads: Path, params: FitParams) -> Detector:
    """Fit everything that section ``fit`` names; see the module docstring."""
    store = read_features(bank)
    about = store.attributes
    arrays, about_text = read_arrays(text)
    summary = json.loads((heads / "heads.json").read_text(encoding="utf-8"))
    for what, other in (("text", about_text), ("heads", summary)):
        if other["backbone"] != about["backbone"]:
            raise DetectorError(
                f"bank and {what} must be of one backbone, got '{about['backbone']}' and "
                f"'{other['backbone']}'; run `dvc repro`"
            )
    probes = {path.stem: read_probe(path) for path in sorted(heads.glob("*.safetensors"))}
    absent = {
        name: entry["reason"]
        for name, entry in summary["heads"].items()
        if not entry.get("applicable", True)
    }
    parts: dict[str, dict[str, np.ndarray]] = {}
    facts: dict[str, Any] = {}
    reasons = {f"heads/{name}": reason for name, reason in absent.items()}
    for name, probe in probes.items():
        probe.logits(store.features[:1])  # refuses a head of another width
        parts[f"heads/{name}"] = vars(probe)
    if about_text["applicable"]:
        parts["text/text"] = arrays
        facts["text/text"] = {
            key: about_text.get(key) for key in ("logit_scale", "prompts", "names", "equal_names")
        }
    else:
        reasons["text/text"] = about_text["reason"]

    pseudo = pl.read_parquet(pseudo_labels)
    for name, spec in params.gaussians.items():
        key = f"gaussians/{name}"
        where = f"fit.gaussians.{name}.space"
        if spec.space != "features" and not fitting.select([spec.space], probes, absent, where):
            reasons[key] = absent[spec.space]
        elif spec.classes == "pseudo_labels" and not about_text["applicable"]:
            reasons[key] = about_text["reason"]
        elif spec.classes == "labels" and (store.labels < 0).all():
            reasons[key] = "the bank has no labels"
        else:
            parts[key], facts[key] = _gaussians(store, probes, pseudo, about_text, spec)
    for name in params.residuals:
        key = f"residuals/{name}"
        if name == "mean":
            probe = None
        elif fitting.select([name], probes, absent, "fit.residuals"):
            probe = probes[name]
        else:
            reasons[key] = absent[name]
            continue
        parts[key] = fitting.fit_residuals(
            store.features, probe, dimension=params.residual_dimension
        )
    for name in params.head_statistics:
        if fitting.select([name], probes, absent, "fit.head_statistics"):
            energies, posteriors = fitting.head_statistics(store.features, probes[name])
            parts[f"energies/{name}"], parts[f"posteriors/{name}"] = energies, posteriors
        else:
            reasons[f"energies/{name}"] = reasons[f"posteriors/{name}"] = absent[name]
    threshold = fitting.clip_threshold(store.features, quantile=params.clip_quantile)
    parts["clipping/features"] = {"threshold": threshold}

    facts["fitted_on"] = {
        "bank": {key: about.get(key) for key in ("dataset", "key", "rows")},
        "heads": {path.name: file_hash(path) for path in sorted(heads.glob("*.safetensors"))},
        "pseudo_labels": file_hash(pseudo_labels),
        "text": {
            name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
            for name, array in sorted(arrays.items())
        },
    }
    features = {key: about[key] for key in ("width", "norm", "space")}
    return Detector(about["backbone"], features, parts, facts, reasons)


def _gaussians(
    store: FeatureSet,
    probes: dict[str, Probe],
    pseudo: pl.DataFrame,
    about_text: dict[str, Any],
    spec: GaussianSpec,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Fit one entry of ``fit.gaussians`` in the space and with the classes that it names."""
    classes = store.labels.astype(np.int64)
    if spec.classes == "pseudo_labels":
        classes = np.full(len(store.labels), -1)
        classes[pseudo["row"].to_numpy()] = pseudo["pseudo_label"].to_numpy()
    space = (
        store.features if spec.space == "features" else probes[spec.space].logits(store.features)
    )
    return fitting.fit_gaussians(space, classes, spec, about_text["class_names"])


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
    main()
