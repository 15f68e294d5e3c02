"""The paper's claims beside what was measured here, or what it would take to measure it.

Claims of Adaloglou et al. (TMLR 2024, arXiv:2303.05828). AUROC differences are in points (a
hundredth of the AUROC's range), R² and accuracies are plain.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import polars as pl

from pipeline.findings.claim_line import LineClaim, line_claim
from pipeline.findings.study_records import Cell, StudyParams, StudyRecords
from pipeline.findings.study_tables import adversarial_table, comparisons_table, paired

OVER_IMAGES = "paired bootstrap over images"


@dataclass(frozen=True)
class Claim:
    """One row of the claims table; every cell is ready to be read."""

    claim: str
    statement: str
    paper: str
    ours: str
    low: str = ""
    high: str = ""
    interval: str = ""
    p: str = ""
    on: str = ""


def claims_table(records: StudyRecords, params: StudyParams) -> pl.DataFrame:
    """Return one or more rows for each of the claims a to e."""
    rows = [
        *_claim_a(records, params),
        *_claim_b(records, params),
        *_claim_c(records, params),
        *_claim_d(records, params),
        *_claim_e(records, params),
    ]
    return pl.DataFrame([asdict(row) for row in rows])


def _claim_a(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    said = ("a", "R² of 1-NN AUROC on 20-NN ID accuracy over CLIP models", "≥ 0.92")
    for name, sets in records.scope.groups.items():
        result = line_claim(records, params, sets)
        if not isinstance(result, LineClaim):
            yield Claim(*said, f"not run: {result}")
            return
        ends = result.fisher or result.images
        yield Claim(
            *said,
            f"{result.line.r2:.3f} (slope {result.line.slope:+.2f})",
            *(f"{end:.3f}" for end in ends),
            interval="Fisher, over backbones"
            if result.fisher
            else "over images for these backbones; over backbones needs 4",
            on=f"{_where(records, name)}; {result.line.n} backbones: {', '.join(result.backbones)}",
        )


def _claim_b(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    tests = comparisons_table(records)
    found = False
    for method in params.plp:
        said = ("b", f"AUROC of {method} minus {params.mcm}", "+3.4 (ViT-bigG, 5 ImageNet pairs)")
        for backbone in records.scope.backbones:
            cell = paired(records, backbone, records.scope.ood, method, params.mcm)
            if cell is None:
                continue
            found = True
            family = tests.filter(
                (pl.col("backbone") == backbone)
                & (pl.col("first") == method)
                & (pl.col("second") == params.mcm)
                & pl.col("p_holm").is_not_null()
            )
            wins = family.filter((pl.col("p_holm") < 0.05) & (pl.col("difference") > 0))
            losses = family.filter((pl.col("p_holm") < 0.05) & (pl.col("difference") < 0))
            verdict = f"{len(wins)} better, {len(losses)} worse of {len(family)} (Holm < 0.05)"
            yield Claim(
                *said,
                *_points(cell),
                interval=OVER_IMAGES,
                p=verdict if len(family) else "",
                on=f"{backbone}; {_where(records, 'mean')}",
            )
    if not found:
        yield Claim(
            "b", "AUROC of PLP minus MCM", "+3.4 (ViT-bigG, 5 ImageNet pairs)",
            f"not run: needs a backbone with a text tower, scored by {', '.join(params.plp)} "
            f"and {params.mcm}",
        )  # fmt: skip


def _claim_c(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    said = ("c", "AUROC of linear probing minus fine-tuning", "+7.3 (ViT-H, ImageNet pairs)")
    for backbone, tuned in params.finetuned.items():
        if missing := [name for name in (backbone, tuned) if name not in records.scope.backbones]:
            yield Claim(*said, f"not run: needs {missing[0]} among backbones", on=backbone)
            continue
        for probe, score in zip(params.probe, params.finetuned_scores, strict=True):
            one = records.mean(backbone, records.scope.ood, probe)
            other = records.mean(tuned, records.scope.ood, score)
            on = f"{probe} of {backbone} minus {score} of {tuned}; {_where(records, 'mean')}"
            if one is None or other is None:
                lacking = f"{probe} of {backbone}" if one is None else f"{score} of {tuned}"
                yield Claim(*said, f"not run: needs {lacking} among the methods", on=on)
                continue
            cell = records.difference(one, other)
            yield Claim(*said, *_points(cell), interval=OVER_IMAGES, on=on)
    if not params.finetuned:
        yield Claim(*said, "not run: needs fine-tuned counterparts in study.finetuned")


def _claim_d(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    said = ("d", "1-NN AUROC before and after an attack", "CLIP models fail")
    table = adversarial_table(records).filter(
        pl.col("method") == params.nearest, pl.col("metric") == "auroc"
    )
    for row in table.iter_rows(named=True):
        change, low, high = (f"{100 * row[name]:+.1f}" for name in ("change", "low", "high"))
        yield Claim(
            *said,
            f"{100 * row['clean']:.1f} → {100 * row['crafted']:.1f} ({change})",
            low,
            high,
            interval=f"of the change, {OVER_IMAGES}",
            on=f"{row['backbone']}; {row['source']} → {row['dataset']}",
        )
    if table.is_empty():
        yield Claim(*said, "not run: needs crafted sets in matrix.crafted")


def _claim_e(records: StudyRecords, params: StudyParams) -> Iterator[Claim]:
    sets = [
        name
        for name in records.scope.ood
        if name.startswith("cifar10") and not name.startswith("cifar100")
    ]
    for method, paper in ((params.nearest, "87.6"), (params.probe[0], "97.4")):
        said = ("e", f"CIFAR-100 against CIFAR-10: AUROC of {method}, largest CLIP", paper)
        if records.scope.benchmark != "cifar100" or not sets:
            yield Claim(*said, "not run: needs benchmark=cifar100 backbone=vit_bigg")
            continue
        for backbone in records.scope.backbones:
            cell = records.mean(backbone, (sets[0],), method)
            if cell is not None:
                ours = f"{100 * cell.value:.1f}", f"{100 * cell.low:.1f}", f"{100 * cell.high:.1f}"
                yield Claim(*said, *ours, interval="bootstrap over images", on=backbone)


def _points(cell: Cell) -> tuple[str, str, str]:
    return f"{100 * cell.value:+.1f}", f"{100 * cell.low:+.1f}", f"{100 * cell.high:+.1f}"


def _where(records: StudyRecords, group: str) -> str:
    label = "all" if group == "mean" else group.removeprefix("mean_")
    count = len(records.scope.groups[group])
    return f"{records.scope.benchmark}, mean over {label} ({count} OOD sets)"
