"""Fit the detector of one backbone on its bank of ID training features.

    python -m stages.fit BANK TEXT PSEUDO_LABELS HEADS DETECTOR

Reads   BANK           Zarr store of ID training features
        TEXT           class embeddings and projection, or the reason why there are none
        PSEUDO_LABELS  row, pseudo_label of the bank's images
        HEADS          folder of trained heads
Writes  DETECTOR       folder: detector.safetensors, detector.json
"""

import argparse
from pathlib import Path

from pipeline.detectors.detector import Detector, write_detector
from pipeline.detectors.fit_detector import fit_detector
from pipeline.detectors.fit_inputs import read_fit_inputs
from pipeline.detectors.fit_origin import fit_origin
from pipeline.detectors.fitting import FitParams
from pipeline.params import load_params
from pipeline.stage import run_stage


def run(bank: Path, text: Path, pseudo_labels: Path, heads: Path, params: FitParams) -> Detector:
    """Fit everything that section ``fit`` names; see the module docstring."""
    inputs = read_fit_inputs(bank, text, pseudo_labels, heads)
    return fit_detector(inputs, params, fitted_on=fit_origin(inputs, pseudo_labels, heads))


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
