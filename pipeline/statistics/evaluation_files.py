"""The evaluation record of two score tables on disk."""

from pathlib import Path
from typing import Any

from pipeline.datasets.index import read_index
from pipeline.statistics.evaluation import evaluation_record
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.table_origins import read_recalls
from pipeline.tables import read_scores


def evaluate_files(
    id_scores: Path,
    ood_scores: Path,
    ood_index: Path,
    params: EvaluateParams,
    *,
    backbone: str,
    dataset: str,
) -> dict[str, Any]:
    """Return the evaluation record of one backbone on one OOD set.

    ``recall`` in it tells of approximate searches, see `read_recalls`; exact ones leave it out.

    Args:
        id_scores: Score table of the ID test set, named after the set.
        ood_scores: Score table of the OOD set.
        ood_index: Its index, for the breakdown by class.
        params: Section ``evaluate``.
        backbone: Name of the backbone.
        dataset: Name of the OOD set.

    Raises:
        ValueError: If scores and index disagree about the number of images, or ID and OOD images
            were searched in different ways.
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
    recalls = read_recalls(id_scores, ood_scores)
    record = evaluation_record(
        of_id,
        of_ood,
        backbone=backbone,
        id_name=id_scores.stem,
        ood_name=dataset,
        not_applicable=reasons_id | reasons_ood,
        class_names=class_names,
        params=params,
    )
    return record | ({"recall": recalls} if recalls else {})
