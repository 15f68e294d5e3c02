"""Evaluate every method on one OOD set, with intervals and paired tests.

    python -m stages.evaluate ID_SCORES OOD_SCORES OOD_INDEX OUT --backbone B --dataset D

Reads   ID_SCORES   score table of the ID test set, named after the set
        OOD_SCORES  score table of the OOD set
        OOD_INDEX   its index, for the breakdown by class
Writes  OUT         the evaluation record: metrics with intervals, bootstrap replicates, paired
                    comparisons, ROC points, histograms, breakdown by class
"""

import argparse
from pathlib import Path
from typing import Any

from pipeline.datasets.index import read_index
from pipeline.json_text import write_json
from pipeline.params import load_params
from pipeline.statistics.evaluation import evaluation_record
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.tables import read_scores


def run(
    id_scores: Path,
    ood_scores: Path,
    ood_index: Path,
    params: EvaluateParams,
    *,
    backbone: str,
    dataset: str,
) -> dict[str, Any]:
    """Evaluate one backbone on one OOD set; see the module docstring.

    Raises:
        ValueError: If scores and index disagree about the number of images.
    """
    of_id, reasons_id = read_scores(id_scores)
    of_ood, reasons_ood = read_scores(ood_scores)
    class_names = read_index(ood_index)["class_name"].to_list()
    for method, scores in of_ood.items():
        if len(scores) != len(class_names):
            raise ValueError(
                f"{ood_scores} must score the {len(class_names)} images of {ood_index}, "
                f"got {len(scores)} scores of '{method}'; extract and score the set again"
            )
    return evaluation_record(
        of_id,
        of_ood,
        backbone=backbone,
        id_name=id_scores.stem,
        ood_name=dataset,
        not_applicable=reasons_id | reasons_ood,
        class_names=class_names,
        params=params,
    )


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("id_scores", "ood_scores", "ood_index", "out"):
        parser.add_argument(path, type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--dataset", required=True)
    args = parser.parse_args()

    record = run(
        args.id_scores,
        args.ood_scores,
        args.ood_index,
        load_params("evaluate", EvaluateParams),
        backbone=args.backbone,
        dataset=args.dataset,
    )
    write_json(args.out, record)


if __name__ == "__main__":
    main()
