"""The paper's claims beside what was measured here, or what it would take to measure it.

Claims of Adaloglou et al. (TMLR 2024, arXiv:2303.05828). AUROC differences are in points (a
hundredth of the AUROC's range), R² and accuracies are plain.
"""

from collections.abc import Iterator
from dataclasses import asdict

import polars as pl

from pipeline.findings.claim_differences import fine_tuning_rows, plp_rows
from pipeline.findings.claim_line import LineClaim, line_claim
from pipeline.findings.claim_row import OVER_IMAGES, Claim, where
from pipeline.findings.judged_means import judged_means
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import StudyRecords
from pipeline.findings.study_tables import adversarial_table
from pipeline.percent import percent, points


def claims_table(records: StudyRecords, params: StudyParams) -> pl.DataFrame:
    """Return one or more rows for each of the claims a to e."""
    rows = [
        *_claim_a(records, params),
        *plp_rows(records, params),
        *fine_tuning_rows(records, params),
        *_claim_d(records, params),
        *_claim_e(records, params),
    ]
    return pl.DataFrame([asdict(row) for row in rows])


def _claim_a(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    said = (
        "a",
        f"R² of {params.nearest} AUROC on {params.classifier} ID accuracy over CLIP models",
        _paper(
            "≥ 0.92",
            (params.nearest, StudyParams.nearest),
            (params.classifier, StudyParams.classifier),
        ),
    )
    means = judged_means(records, params)
    results = {name: line_claim(records, params, sets) for name, sets in means.items()}
    first, *others = results.values()
    if isinstance(first, str) and all(other == first for other in others):
        yield Claim(*said, f"not run: {first}")
        return
    for name, result in results.items():
        if isinstance(result, str):
            yield Claim(*said, f"undefined: {result}", on=where(records, name), mean=name)
            continue
        backbones = ", ".join(result.backbones)
        yield Claim(
            *said,
            f"{result.line.r2:.3f} (slope {result.line.slope:+.2f})",
            *(f"{end:.3f}" for end in result.fisher or result.images or ()),
            interval=_kind(result),
            on=f"{where(records, name)}; {result.line.n} backbones: {backbones}",
            of=backbones,
            mean=name,
        )


def _kind(result: LineClaim) -> str:
    if result.fisher:
        return "over backbones, by Fisher's transformation"
    if result.images:
        return "over resampled images, for just these backbones; over backbones it needs 4 of them"
    return "none: no resample of the images has an R²"


def _claim_d(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    said = (
        "d",
        f"{params.nearest} AUROC before and after an attack",
        _paper("CLIP models fail", (params.nearest, StudyParams.nearest)),
    )
    table = adversarial_table(records).filter(
        pl.col("method") == params.nearest, pl.col("metric") == "auroc"
    )
    for row in table.iter_rows(named=True):
        surrogate = records.adversarial[row["backbone"]][row["dataset"]]["surrogate"]
        own = row["backbone"] == surrogate
        change, low, high = (points(row[name]) for name in ("change", "low", "high"))
        yield Claim(
            *said,
            f"{percent(row['clean'])} → {percent(row['crafted'])} ({change})",
            low,
            high,
            interval=f"of the change, {OVER_IMAGES}",
            on=f"{row['backbone']} ({'surrogate' if own else f'transfer from {surrogate}'}); "
            f"{row['source']} → {row['dataset']}",
        )
    if table.is_empty():
        yield Claim(
            *said,
            "not run: needs a data set of source craft (datasets), as conf/attacks.yaml has two",
        )


def _claim_e(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    sets = [
        name
        for name in records.scope.ood
        if name.startswith("cifar10") and not name.startswith("cifar100")
    ]
    tuned = params.finetuned.values()
    for method, theirs, value in (
        (params.nearest, StudyParams.nearest, "87.6 (largest CLIP)"),
        (params.probe[0], StudyParams.probe[0], "97.4 (largest CLIP)"),
    ):
        paper = _paper(value, (method, theirs))
        said = ("e", f"CIFAR-100 against CIFAR-10: AUROC of {method}", paper)
        if records.scope.benchmark != "cifar100" or not sets:
            yield Claim(*said, "not run: needs benchmark=cifar100 backbone=vit_bigg study=single")
            continue
        for backbone in records.scope.backbones:
            cell = records.mean(backbone, (sets[0],), method)
            if cell is not None and backbone not in tuned:
                ours = percent(cell.value), percent(cell.low), percent(cell.high)
                yield Claim(*said, *ours, interval="bootstrap over images", on=backbone)


def _paper(number: str, *names: tuple[str, str]) -> str:
    """The paper's number; where ours is of another score or classifier, also what it is of.

    Args:
        number: As published.
        *names: What the study takes and what the paper took, the defaults of `StudyParams`.
    """
    if all(ours == theirs for ours, theirs in names):
        return number
    return f"{number}, of {' and '.join(theirs for _, theirs in names)}"
