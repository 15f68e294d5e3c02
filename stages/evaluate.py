"""Evaluate every method on one OOD set, with intervals and paired tests.

    python -m stages.evaluate PARAMS ID_SCORES OOD_SCORES OOD_INDEX OUT --backbone B --dataset D

Reads   PARAMS      section evaluate, written by check_params
        ID_SCORES   score table of the ID test set, named after the set
        OOD_SCORES  score table of the OOD set
        OOD_INDEX   its index, for the breakdown by class
Writes  OUT         the evaluation record: metrics with intervals, bootstrap replicates, paired
                    comparisons, ROC points, histograms, breakdown by class
"""

import argparse
from pathlib import Path

from pipeline.json_text import write_json
from pipeline.params import load_params
from pipeline.stage import run_stage
from pipeline.statistics.evaluation_files import evaluate_files
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.table_origins import check_origins


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("params", "id_scores", "ood_scores", "ood_index", "out"):
        parser.add_argument(path, type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--dataset", required=True)
    args = parser.parse_args()

    check_origins(
        {args.id_scores: args.id_scores.stem, args.ood_scores: args.dataset}, backbone=args.backbone
    )
    record = evaluate_files(
        args.id_scores,
        args.ood_scores,
        args.ood_index,
        load_params("evaluate", EvaluateParams, path=args.params),
        backbone=args.backbone,
        dataset=args.dataset,
    )
    write_json(args.out, record)


if __name__ == "__main__":
    run_stage(main)
