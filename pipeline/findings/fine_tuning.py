"""Claim c set by set: a linear probe against the fine-tuned counterpart of its backbone.

The two are different models, so each AUROC comes from a record of its own; what pairs them is that
their replicates rest on the same draws of images.
"""

import numpy as np
import polars as pl

from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import StudyRecords
from pipeline.statistics.multiple_tests import holm
from pipeline.statistics.replicate_test import replicate_p

FINE_TUNING = {
    "backbone": pl.String, "fine_tuned": pl.String, "dataset": pl.String,
    "first": pl.String, "second": pl.String,
    "difference": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "p": pl.Float64, "p_holm": pl.Float64,
}  # fmt: skip


def fine_tuning_table(records: StudyRecords, params: StudyParams) -> pl.DataFrame:
    """AUROC of the probe minus that of the fine-tuned classifier, on each OOD set.

    ``low`` and ``high`` are of `replicate_interval`, ``p`` is of its z test, `replicate_p`;
    ``p_holm`` is corrected over the family of all backbones and OOD sets of one pair of scores.
    """
    rows = []
    for probe, score in zip(params.probe, params.finetuned_scores, strict=True):
        family = []
        for backbone, tuned in params.finetuned.items():
            if not {backbone, tuned} <= set(records.scope.backbones):
                continue
            for dataset in records.scope.ood:
                one = records.mean(backbone, (dataset,), probe)
                other = records.mean(tuned, (dataset,), score)
                if one is None or other is None:
                    continue
                cell = records.difference(one, other)
                record = records.evaluations[backbone][dataset]
                sizes = {"n_id": record["n_id"], "n_ood": record["n_ood"]}
                p = replicate_p(cell.value, cell.replicates, **sizes)
                names = backbone, tuned, dataset, probe, score
                family.append((*names, cell.value, cell.low, cell.high, p))
        corrected = holm(np.array([row[-1] for row in family], dtype=np.float64))
        rows += [(*row, float(p)) for row, p in zip(family, corrected, strict=True)]
    table = pl.DataFrame(rows, schema=FINE_TUNING, orient="row")
    return table.with_columns(pl.col(pl.Float64).round(6) + 0.0)
