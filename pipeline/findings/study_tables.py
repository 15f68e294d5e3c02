"""The long tables of a study: every number with its interval, one row each, sorted."""

from dataclasses import replace

import numpy as np
import polars as pl

from pipeline.findings.cells import Cell
from pipeline.findings.study_records import StudyRecords
from pipeline.statistics.multiple_tests import holm

RESULTS = {
    "backbone": pl.String, "dataset": pl.String, "method": pl.String, "metric": pl.String,
    "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64,
}  # fmt: skip
COMPARISONS = {
    "backbone": pl.String, "dataset": pl.String, "first": pl.String, "second": pl.String,
    "difference": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "p": pl.Float64, "p_holm": pl.Float64,
    "fpr95_difference": pl.Float64, "fpr95_low": pl.Float64, "fpr95_high": pl.Float64,
}  # fmt: skip
ADVERSARIAL = {
    "backbone": pl.String, "dataset": pl.String, "source": pl.String, "method": pl.String,
    "metric": pl.String, "clean": pl.Float64, "crafted": pl.Float64,
    "change": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip


def results_table(records: StudyRecords) -> pl.DataFrame:
    """Every metric of every method: per OOD set, mean over sets, and ID accuracies.

    ID accuracies stand under the ID test set with the classifier as method, means under ``mean``
    and ``mean_<name>``. Intervals are the bootstrap's; ``auroc_delong`` repeats the AUROC of a set
    with DeLong's. Means of auroc and fpr95 have joint intervals; those of the other metrics have
    none. ``n`` counts the OOD images of a set, the sets of a mean, the ID images of an accuracy.
    """
    rows = []
    for backbone, sets in records.evaluations.items():
        for dataset, record in sets.items():
            for method, cells in record["methods"].items():
                rows += [
                    (
                        backbone,
                        dataset,
                        method,
                        metric,
                        c["value"],
                        c["low"],
                        c["high"],
                        record["n_ood"],
                    )
                    for metric, c in cells.items()
                ]
                auroc = cells["auroc"]
                delong = auroc["value"], auroc["delong_low"], auroc["delong_high"]
                rows.append((backbone, dataset, method, "auroc_delong", *delong, record["n_ood"]))
        for name, members in records.scope.groups.items():
            of_sets = [sets[dataset]["methods"] for dataset in members]
            for method in set.intersection(*(set(methods) for methods in of_sets)):
                for metric in of_sets[0][method]:
                    ends: tuple[float | None, float | None] = (None, None)
                    if metric in ("auroc", "fpr95"):
                        cell = records.mean(backbone, members, method, metric)
                        assert cell is not None
                        ends = cell.low, cell.high
                    value = float(
                        np.mean([methods[method][metric]["value"] for methods in of_sets])
                    )
                    rows.append((backbone, name, method, metric, value, *ends, len(members)))
        accuracy = records.accuracies[backbone]
        rows += [
            (
                backbone,
                accuracy["id"],
                how,
                "accuracy",
                c["value"],
                c["low"],
                c["high"],
                accuracy["n"],
            )
            for how, c in accuracy["classifiers"].items()
        ]
    return _table(rows, RESULTS)


def comparisons_table(records: StudyRecords) -> pl.DataFrame:
    """Paired tests of two methods, per OOD set and for means over sets.

    ``p`` is DeLong's; ``p_holm`` is corrected over the family of all backbones and OOD sets of
    one pair. Means have paired bootstrap intervals, or their one set's, and no p-value.
    """
    rows = []
    for backbone, sets in records.evaluations.items():
        for dataset in records.scope.ood:
            for entry in sets[dataset]["comparisons"].values():
                values = {"backbone": backbone, "dataset": dataset, "p_holm": None} | entry
                rows.append(tuple(values[name] for name in COMPARISONS))
        pairs = {
            (entry["first"], entry["second"])
            for dataset in records.scope.ood
            for entry in sets[dataset]["comparisons"].values()
        }
        for name, members in records.scope.groups.items():
            for first, second in pairs:
                auroc = paired(records, backbone, members, first, second, "auroc")
                fpr = paired(records, backbone, members, first, second, "fpr95")
                if auroc and fpr:
                    ends = auroc.value, auroc.low, auroc.high, None, None
                    rows.append(
                        (backbone, name, first, second, *ends, fpr.value, fpr.low, fpr.high)
                    )
    table = _table(rows, COMPARISONS)
    families = table.filter(pl.col("p").is_not_null()).partition_by("first", "second")
    corrected = [
        family.with_columns(p_holm=pl.Series(holm(family["p"].to_numpy()), dtype=pl.Float64))
        for family in families
    ]
    rest = table.filter(pl.col("p").is_null())
    return pl.concat([rest, *corrected]).sort("backbone", "dataset", "first", "second")


def adversarial_table(records: StudyRecords) -> pl.DataFrame:
    """AUROC and FPR95 of exactly the attacked images, before and after, by method.

    ``change`` is crafted minus clean, with a paired interval over images.
    """
    rows = [
        (
            backbone,
            dataset,
            record["ood"],
            method,
            metric,
            *(cell[n] for n in list(ADVERSARIAL)[5:]),
        )
        for backbone, sets in records.adversarial.items()
        for dataset, record in sets.items()
        for method, metrics in record["methods"].items()
        for metric, cell in metrics.items()
    ]
    return _table(rows, ADVERSARIAL)


def paired(
    records: StudyRecords,
    backbone: str,
    sets: tuple[str, ...],
    first: str,
    second: str,
    metric: str = "auroc",
) -> Cell | None:
    """First minus second, averaged over sets; nothing where one of them does not apply.

    On a single set, what its record says where it compares the two: one number, one interval.
    """
    one = records.mean(backbone, sets, first, metric)
    other = records.mean(backbone, sets, second, metric)
    if one is None or other is None:
        return None
    cell = records.difference(one, other)
    found = records.evaluations[backbone][sets[0]]["comparisons"].get(f"{first}-{second}")
    if len(sets) == 1 and found:
        prefix = "" if metric == "auroc" else f"{metric}_"
        ends = found[f"{prefix}low"], found[f"{prefix}high"]
        return replace(cell, value=found[f"{prefix}difference"], low=ends[0], high=ends[1])
    return cell


def _table(rows: list[tuple], schema: dict) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=schema, orient="row")
    keys = [name for name, dtype in schema.items() if dtype == pl.String]
    return table.with_columns(pl.col(pl.Float64).round(6) + 0.0).sort(keys)
