"""Score the images of one dataset by every method, and classify them.

    python -m stages.score BACKBONE METHODS DETECTOR BANK QUERIES SCORES PREDICTIONS

Reads   METHODS      table of methods, written by check_params
        DETECTOR     folder written by the fit stage
        BANK         Zarr store of ID training features, where neighbours are asked for
        QUERIES      Zarr store of the dataset to score
Writes  SCORES       row, method, score: higher = more in-distribution; in its metadata what it is
                     of, its bank, each method's settings, and the recall of approximate searches
        PREDICTIONS  row, classifier, prediction, label
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.classifier_names import KNN
from pipeline.detectors.detector import Detector, DetectorError, read_detector
from pipeline.scores import check_methods, method_settings
from pipeline.scoring.scoring import Scored, Scoring
from pipeline.scoring.stored_bank import is_bank, stored_bank
from pipeline.stage import run_stage
from pipeline.storage.store import iter_shards, read_attributes, read_labels
from pipeline.tables import write_predictions, write_scores


def run(detector: Detector, bank: Path, queries: Path, methods: Mapping[str, Any]) -> Scored:
    """Score and classify; see the module docstring."""
    check_methods(methods)
    about = read_attributes(queries)
    detector.check_store(about, f"{queries}")
    own = is_bank(about, detector, queries)
    labels = read_labels(queries)
    scoring = Scoring(detector, stored_bank(bank, detector), methods, what=f"{queries}", own=own)
    if not bank.exists():
        scoring.no_classifier[KNN] = "the features of the bank are not there"
    for start, features in iter_shards(queries):
        scoring.add(start, features)
    for told in scoring.told:
        print(f"{detector.backbone}: {told}")
    return scoring.scored(labels)


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    for path in ("methods", "detector", "bank", "queries", "scores", "predictions"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    detector = read_detector(args.detector)
    if detector.backbone != args.backbone:
        raise DetectorError(
            f"{args.detector} belongs to the backbone '{detector.backbone}', not to "
            f"'{args.backbone}'; run `dvc repro`"
        )
    methods = json.loads(args.methods.read_text(encoding="utf-8"))
    found = run(detector, args.bank, args.queries, methods)
    dataset = read_attributes(args.queries)["dataset"]
    origin = {"backbone": args.backbone, "dataset": dataset, "detector": detector.sha256}
    reasons = found.not_applicable
    told = {"bank": detector.facts["fitted_on"]["bank"], "methods": method_settings(methods)}
    told |= {"recall": found.recalls} if found.recalls else {}
    write_scores(args.scores, found.scores, not_applicable=reasons, about=origin | told)
    write_predictions(
        args.predictions,
        found.predictions,
        found.labels,
        not_applicable=found.no_classifier,
        about=origin,
    )
    print(
        f"{args.backbone}: {len(found.labels)} images of {dataset} by {len(found.scores)} methods"
        + (f"; {len(reasons)} not applicable" if reasons else "")
    )


if __name__ == "__main__":
    run_stage(main)
