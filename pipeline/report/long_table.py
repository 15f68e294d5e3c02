"""Every number of the study in one long Polars table: the form for spreadsheets and notebooks."""

import polars as pl

from pipeline.report.records import Records, interval

SCHEMA = {
    "backbone": pl.String,
    "dataset": pl.String,
    "method": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
}


def long_table(records: Records) -> pl.DataFrame:
    """Return one row for each backbone, data set, method and metric, sorted.

    ID accuracies stand under the ID test set with the classifier as method; means over OOD sets
    stand under ``mean`` and ``mean_<name>``. Intervals are the bootstrap's; ``auroc_delong``
    repeats the AUROC with DeLong's. ``n`` counts the OOD images of an OOD set, the ID images of an
    accuracy, and the sets of a mean.
    """
    rows = []
    for backbone, sets in records.evaluations.items():
        for dataset, record in sets.items():
            for method, metrics in record["methods"].items():
                rows += [
                    (backbone, dataset, method, metric, *interval(cell), record["n_ood"])
                    for metric, cell in metrics.items()
                ]
                auroc = metrics["auroc"]
                delong = auroc["value"], auroc["delong_low"], auroc["delong_high"]
                rows.append((backbone, dataset, method, "auroc_delong", *delong, record["n_ood"]))
        accuracy = records.accuracies[backbone]
        rows += [
            (backbone, records.scope.id_test, how, "accuracy", *interval(cell), accuracy.get("n"))
            for how, cell in accuracy["classifiers"].items()
        ]
    sizes = {name: len(members) for name, members in records.scope.groups.items()}
    means = records.means.filter(pl.col("dataset").is_in(list(sizes)))
    rows += [
        (*row, sizes[row[1]])
        for row in means.select(*list(SCHEMA)[:-1]).iter_rows()
        if row[0] in records.scope.backbones
    ]
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return table.sort("backbone", "dataset", "method", "metric")
