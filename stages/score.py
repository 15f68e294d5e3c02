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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.detectors.bank import Bank
from pipeline.detectors.detector import Detector, DetectorError, NotApplicableError, read_detector
from pipeline.detectors.knn_classifier import NEIGHBOURS, knn_predictions
from pipeline.detectors.query import Query
from pipeline.detectors.search import Search
from pipeline.detectors.zero_shot import ZERO_SHOT
from pipeline.products import row_products
from pipeline.scores import check_methods, compute, method_names, method_settings
from pipeline.stage import run_stage
from pipeline.storage.store import iter_shards, read_attributes
from pipeline.tables import write_predictions, write_scores

CLASSIFIERS = (ZERO_SHOT, "knn_20", "plp", "lp")
_PIECE = 4096  # queries scored at a time: the temporaries of a score are arrays of this many rows

Values = dict[str, np.ndarray]
Parts = dict[str, list[np.ndarray]]


class Scored(NamedTuple):
    """One dataset by every method and classifier.

    Attributes:
        scores: By method.
        predictions: By classifier.
        labels: Of the images, -1 where there is none.
        not_applicable: Methods that do not apply, with the reason.
        no_classifier: Classifiers that do not, with the reason.
        recalls: By method whose index is approximate: the neighbours ``k`` that it was asked for,
            and the ``share`` of the true ones that it found.
    """

    scores: Values
    predictions: Values
    labels: np.ndarray
    not_applicable: dict[str, str]
    no_classifier: dict[str, str]
    recalls: dict[str, dict[str, float]]


def run(detector: Detector, bank: Path, queries: Path, methods: Mapping[str, Any]) -> Scored:
    """Score and classify; see the module docstring.

    The queries come shard by shard. Neighbours are searched for a whole shard, so that the bank is
    read once for it, everything else is computed piece by piece. The bank is opened when a method
    or classifier first needs it.
    """
    check_methods(methods)
    about = read_attributes(queries)
    detector.check_store(about, f"{queries}")
    with_bank = _lazy(bank, detector)
    is_bank = _is_bank(about, detector, queries)
    deepest = _deepest(methods, with_bank.size - is_bank)
    labels = _labels(queries)

    scores: Parts = {}
    predictions: Parts = {}
    reasons: dict[str, str] = {}
    no_classifier: dict[str, str] = {}
    recalls: dict[str, list[tuple[int, int, float]]] = {}
    if not bank.exists():
        no_classifier["knn_20"] = "the features of the bank are not there"
    for start, features in iter_shards(queries):
        own = np.arange(start, start + len(features)) if is_bank else None
        search = Search(features, with_bank, own, deepest=deepest)
        for low in range(0, len(features), _PIECE):
            query = Query(features[low : low + _PIECE], detector, search, low)
            where = f"rows counted from {start + low}"
            for name, entry in methods.items():
                with _noted(f"while scoring {queries} by methods.{name}, {where}"):
                    _score(query, name, entry, scores, reasons)
                for k, share in query.recalls:
                    for column in method_names(name, entry):
                        recalls.setdefault(column, []).append((len(query.features), k, share))
                query.recalls.clear()
            for name in CLASSIFIERS:
                with _noted(f"while classifying {queries} by {name}, {where}"):
                    _classify(query, name, predictions, no_classifier)
        for told in search.recalls:
            print(f"{detector.backbone}: {told}, rows {start} to {start + len(features) - 1}")
    return Scored(
        {name: np.concatenate(parts) for name, parts in scores.items()},
        {name: np.concatenate(parts) for name, parts in predictions.items()},
        labels,
        reasons,
        no_classifier,
        {name: _mean_recall(found) for name, found in sorted(recalls.items())},
    )


def _mean_recall(found: list[tuple[int, int, float]]) -> dict[str, float]:
    """Mean over pieces, by their rows."""
    rows, ks, shares = zip(*found, strict=True)
    return {"k": max(ks), "share": round(float(np.average(shares, weights=rows)), 6)}


def _score(
    query: Query, name: str, entry: Mapping[str, Any], scores: Parts, reasons: dict[str, str]
) -> None:
    """Add the scores of one piece by one method, or why there are none."""
    try:
        for column, values in compute(query, name, entry).items():
            scores.setdefault(column, []).append(values)
    except NotApplicableError as reason:
        reasons |= dict.fromkeys(method_names(name, entry), str(reason))


def _classify(query: Query, name: str, predictions: Parts, reasons: dict[str, str]) -> None:
    """Add the classes of one piece by one classifier, or why there are none."""
    if name not in reasons:
        try:
            classes = predict(query, name)
            predictions.setdefault(name, []).append(classes)
        except NotApplicableError as reason:
            reasons[name] = str(reason)


@contextmanager
def _noted(where: str) -> Iterator[None]:
    """Say where a ValueError arose."""
    try:
        yield
    except ValueError as error:
        error.add_note(where)
        raise


def predict(query: Query, classifier: str) -> np.ndarray:
    """Class of each image: nearest text, vote of 20 neighbours, or largest logit of a head."""
    if classifier == ZERO_SHOT:
        return row_products(query.embeddings, query.class_embeddings.T).argmax(axis=1)
    if classifier != "knn_20":
        return query.logits(classifier).argmax(axis=1)
    if query.search.others < NEIGHBOURS:
        raise NotApplicableError(
            f"{NEIGHBOURS} neighbours vote, but the bank has {query.search.others} images to "
            "compare with"
        )
    bank_labels = query.search.bank.labels
    if (bank_labels < 0).any():
        raise NotApplicableError("the bank has unlabelled images")
    found = query.neighbours(NEIGHBOURS)
    return knn_predictions(found.similarities, bank_labels[found.rows])


def _is_bank(about: Mapping[str, Any], detector: Detector, queries: Path) -> bool:
    """Whether the queries are the bank, row by row, so that no image is its own neighbour.

    Raises:
        DetectorError: If they bear the bank's name but are other features, or its rows in another
            order: images could then be their own neighbours, or lose another as if it were.
    """
    bank = detector.facts["fitted_on"]["bank"]
    if about["dataset"] != bank["dataset"]:
        return False
    if about.get("key") != bank["key"]:
        raise DetectorError(
            f"a store of the dataset '{bank['dataset']}' must be the bank that the detector was "
            f"fitted on, with the key {bank['key']}, got {queries} with the key "
            f"{about.get('key')}; fit again with `dvc repro`, or import these features as a "
            "dataset of another name"
        )
    return True


def _lazy(store: Path, detector: Detector) -> Bank:
    """The bank that the detector was fitted on, opened and checked when it is first read."""
    fitted_on = detector.facts["fitted_on"]["bank"]

    @cache
    def opened() -> Path:
        about = read_attributes(store)
        detector.check_store(about, f"{store}")
        if {key: about.get(key) for key in fitted_on} != fitted_on:
            raise DetectorError(
                f"the detector was fitted on the bank {fitted_on}, but {store} is another; "
                "run `dvc repro`"
            )
        return store

    return Bank(fitted_on["rows"], lambda: iter_shards(opened()), lambda: _labels(opened()))


def _deepest(methods: Mapping[str, Any], others: int) -> int:
    """Most neighbours that any method or classifier wants, so that one search serves all.

    What the bank does not have counts for nothing: its method is refused when its turn comes.
    """
    wanted = [entry.get("k", 1) for entry in methods.values() if entry["score"] == "knn"]
    every = [k for one in wanted for k in (one if isinstance(one, list) else [one])]
    return max((k for k in (NEIGHBOURS, *every) if k <= others), default=1)


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
