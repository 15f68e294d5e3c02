"""Measure how well each classifier of one backbone names the ID test images.

    python -m stages.accuracy PARAMS PREDICTIONS ID_SCORES PROVENANCE OUT --backbone B

Reads   PARAMS       section evaluate, written by check_params
        PREDICTIONS  prediction table of the ID test set
        ID_SCORES    its score table, named after the set, for the accuracy among accepted images
        PROVENANCE   of the bank's features: weights and software
Writes  OUT          the accuracy record: zero-shot, 20-NN, PLP and LP top-1 with intervals, and
                     what all numbers of the backbone rest on
"""

import argparse
from pathlib import Path
from typing import Any

from pipeline.json_text import read_json, write_json
from pipeline.params import load_params
from pipeline.record_origins import record_origin
from pipeline.stage import run_stage
from pipeline.statistics.accuracy import accuracy_record
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.table_origins import check_origins, read_origin
from pipeline.tables import read_predictions, read_scores


def run(
    predictions: Path, id_scores: Path, params: EvaluateParams, *, backbone: str
) -> dict[str, Any]:
    """Measure one backbone; see the module docstring."""
    by_classifier, labels, no_classifier = read_predictions(predictions)
    scores, no_method = read_scores(id_scores)
    return accuracy_record(
        by_classifier,
        labels,
        scores,
        backbone=backbone,
        id_name=id_scores.stem,
        not_applicable=no_classifier,
        methods_not_applicable=no_method,
        params=params,
    )


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("params", "predictions", "id_scores", "provenance", "out"):
        parser.add_argument(path, type=Path)
    parser.add_argument("--backbone", required=True)
    args = parser.parse_args()

    id_name = args.id_scores.stem
    check_origins({args.predictions: id_name, args.id_scores: id_name}, backbone=args.backbone)
    params = load_params("evaluate", EvaluateParams, path=args.params)
    record = run(args.predictions, args.id_scores, params, backbone=args.backbone)
    origin = record_origin(read_origin(args.id_scores), read_json(args.provenance))
    write_json(args.out, record | {"origin": origin})


if __name__ == "__main__":
    run_stage(main)
