"""Score the images of one dataset by every method, and classify them.

    python -m stages.score BACKBONE METHODS DETECTOR BANK QUERIES SCORES PREDICTIONS

Reads   METHODS      table of methods, written by check_params
        DETECTOR     folder written by the fit stage
        BANK         Zarr store of ID training features, for neighbours
        QUERIES      Zarr store of the dataset to score
Writes  SCORES       row, method, score: higher = more in-distribution
        PREDICTIONS  row, classifier, prediction, label
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.detectors.detector import Detector, DetectorError, NotApplicableError, read_detector
from pipeline.detectors.knn_classifier import NEIGHBOURS, knn_predictions
from pipeline.detectors.query import Bank, Query
from pipeline.detectors.zero_shot import ZERO_SHOT
from pipeline.scores import check_methods, compute, method_names
from pipeline.storage.store import iter_shards, read_attributes
from pipeline.tables import write_predictions, write_scores

Values = dict[str, np.ndarray]


def run(
    detector: Detector, bank: Path, queries: Path, methods: Mapping[str, Any]
) -> tuple[Values, Values, np.ndarray, dict[str, str], dict[str, str]]:
    """Return scores, predictions, labels, and why methods and classifiers do not apply.

    The queries come shard by shard, and for each of their shards the bank does.
    """
    check_methods(methods)
    about = read_attributes(queries)
    about_bank = read_attributes(bank)
    detector.check_store(about, f"{queries}")
    detector.check_store(about_bank, f"{bank}")
    fitted_on = detector.facts["fitted_on"]["bank"]
    if {key: about_bank.get(key) for key in fitted_on} != fitted_on:
        raise DetectorError(
            f"the detector was fitted on the bank {fitted_on}, but {bank} is another; "
            "run `dvc repro`"
        )
    with_bank = Bank(_labels(bank), lambda: iter_shards(bank))
    is_bank = about["dataset"] == about_bank["dataset"]
    labels = _labels(queries)

    scores: dict[str, list[np.ndarray]] = {}
    predictions: dict[str, list[np.ndarray]] = {}
    reasons: dict[str, str] = {}
    no_classifier: dict[str, str] = {}
    for start, features in iter_shards(queries):
        query = Query(
            features,
            detector,
            with_bank,
            own_rows=np.arange(start, start + len(features)) if is_bank else None,
            deepest=_deepest(methods),
        )
        for name, entry in methods.items():
            try:
                for column, values in compute(query, name, entry).items():
                    scores.setdefault(column, []).append(values)
            except NotApplicableError as reason:
                reasons |= dict.fromkeys(method_names(name, entry), str(reason))
            except ValueError as error:
                error.add_note(
                    f"while scoring {queries} by methods.{name}, rows counted from {start}"
                )
                raise
        for told in query.recalls:
            print(f"{detector.backbone}: {told}, rows {start} to {start + len(features) - 1}")
        for name in (ZERO_SHOT, "knn_20", "plp", "lp"):
            try:
                predictions.setdefault(name, []).append(predict(query, name))
            except NotApplicableError as reason:
                no_classifier[name] = str(reason)
            except ValueError as error:
                error.add_note(f"while classifying {queries} by {name}, rows counted from {start}")
                raise
    return (
        {name: np.concatenate(blocks) for name, blocks in scores.items()},
        {name: np.concatenate(blocks) for name, blocks in predictions.items() if blocks},
        labels,
        reasons,
        no_classifier,
    )


def predict(query: Query, classifier: str) -> np.ndarray:
    """Class of each image: nearest text, vote of 20 neighbours, or largest logit of a head."""
    if classifier == ZERO_SHOT:
        return (query.embeddings @ query.class_embeddings.T).argmax(axis=1)
    if classifier != "knn_20":
        return query.logits(classifier).argmax(axis=1)
    if (query.bank.labels < 0).any():
        raise NotApplicableError("the bank has unlabelled images")
    found = query.neighbours(NEIGHBOURS)
    return knn_predictions(found.similarities, query.bank.labels[found.rows])


def _deepest(methods: Mapping[str, Any]) -> int:
    """Most neighbours that any method or classifier wants, so that one search serves all."""
    wanted = [entry.get("k", 1) for entry in methods.values() if entry["score"] == "knn"]
    return max(
        [NEIGHBOURS, *(k for one in wanted for k in (one if isinstance(one, list) else [one]))]
    )


def _labels(store: Path) -> np.ndarray:
    return np.concatenate([part for _, part in iter_shards(store, name="labels")]).astype(np.int32)


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
    scores, predictions, labels, reasons, no_classifier = run(
        detector, args.bank, args.queries, methods
    )
    write_scores(args.scores, scores, not_applicable=reasons)
    write_predictions(args.predictions, predictions, labels, not_applicable=no_classifier)
    print(
        f"{args.backbone}: {len(labels)} images of {args.queries.stem} by {len(scores)} methods"
        + (f"; {len(reasons)} not applicable" if reasons else "")
    )


if __name__ == "__main__":
    main()
