"""Claims b and c: differences of AUROCs on the same images, for means over OOD sets.

The paper's means are over five ImageNet sets; a benchmark names those (`benchmark.means`), and
says that the claims are judged over them (`study.means`).
"""

from collections.abc import Iterator

import polars as pl

from pipeline.findings.claim_row import OF_ONE_SET, OVER_IMAGES, Claim, difference, where
from pipeline.findings.fine_tuning import fine_tuning_table
from pipeline.findings.holm_verdict import verdict
from pipeline.findings.judged_means import judged_means
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import StudyRecords
from pipeline.findings.study_tables import comparisons_table, paired


def plp_rows(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    """Claim b: PLP against MCM, for every score, backbone and judged mean."""
    tests = comparisons_table(records)
    paper = "+3.4 (ViT-bigG, 5 ImageNet pairs)"
    found = False
    for method in params.plp:
        for backbone in records.scope.backbones:
            for name, sets in judged_means(records, params).items():
                cell = paired(records, backbone, sets, method, params.mcm)
                if cell is None:
                    continue
                found = True
                family = tests.filter(
                    (pl.col("backbone") == backbone)
                    & (pl.col("first") == method)
                    & (pl.col("second") == params.mcm)
                    & pl.col("dataset").is_in(sets)
                )
                yield Claim(
                    "b",
                    f"AUROC of {method} minus {params.mcm}",
                    paper,
                    *difference(cell),
                    interval=OVER_IMAGES if len(sets) > 1 else OF_ONE_SET,
                    p=verdict(family, sets, alpha=1 - records.level),
                    on=f"{backbone}; {where(records, name)}",
                    of=backbone,
                    mean=name,
                )
    if not found:
        yield Claim(
            "b", "AUROC of PLP minus MCM", paper,
            f"not run: needs a backbone with a text tower, scored by {', '.join(params.plp)} "
            f"and {params.mcm}",
        )  # fmt: skip


def fine_tuning_rows(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    """Claim c: the linear probe against fine-tuning, for every pair, score and judged mean."""
    said = ("c", "AUROC of linear probing minus fine-tuning", "+7.3 (ViT-H, ImageNet pairs)")
    tests = fine_tuning_table(records, params)
    for backbone, tuned in params.finetuned.items():
        if missing := [name for name in (backbone, tuned) if name not in records.scope.backbones]:
            yield Claim(*said, f"not run: needs {missing[0]} among backbones", on=backbone)
            continue
        for probe, score in zip(params.probe, params.finetuned_scores, strict=True):
            of = f"{probe} of {backbone} minus {score} of {tuned}"
            for name, sets in judged_means(records, params).items():
                one = records.mean(backbone, sets, probe)
                other = records.mean(tuned, sets, score)
                if one is None or other is None:
                    absent = (backbone, probe) if one is None else (tuned, score)
                    yield Claim(*said, f"not run: {_why(records, sets, *absent)}", on=of)
                    break
                family = tests.filter(
                    (pl.col("backbone") == backbone)
                    & (pl.col("first") == probe)
                    & pl.col("dataset").is_in(sets)
                )
                yield Claim(
                    *said,
                    *difference(records.difference(one, other)),
                    interval=OVER_IMAGES if len(sets) > 1 else OF_ONE_SET,
                    p=verdict(family, sets, alpha=1 - records.level),
                    on=f"{of}; {where(records, name)}",
                    of=of,
                    mean=name,
                )
    if not params.finetuned:
        yield Claim(*said, "not run: needs fine-tuned counterparts in study.finetuned")


def _why(records: StudyRecords, sets: tuple[str, ...], backbone: str, method: str) -> str:
    """Why a score is not there: what the records say, or that nobody asked for it."""
    for dataset in sets:
        if reason := records.evaluations[backbone][dataset]["not_applicable"].get(method):
            return f"{method} of {backbone}: {reason}"
    return f"needs {method} of {backbone} among the methods"
