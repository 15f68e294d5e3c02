"""The numbers of one backbone under keys that every backbone shares, for `dvc metrics diff`."""

from typing import Any

from pipeline.report.records import Records

DIGITS = 5
OOD_METRICS = ("auroc", "fpr95")


def headline_metrics(records: Records) -> dict[str, Any]:
    """Return the numbers of the headline backbone as nested mappings of rounded shares.

    Keys are ``id.accuracy.<how>``, ``ood.<dataset>.<method>.<metric>`` and
    ``mean.<method>.<metric>`` or ``mean_<name>.<method>.<metric>``. They say nothing of
    the backbone, so two commits with different backbones line up; what does not apply to a
    backbone is absent.
    """
    backbone = records.scope.backbone
    accuracies = {how: records.accuracy(backbone, how)[0] for how in records.classifiers}
    return {
        "id": {"accuracy": _rounded(accuracies)},
        "ood": {
            dataset: _by_method(
                records,
                lambda method, metric, d=dataset: records.metric(backbone, d, method, metric),
            )
            for dataset in records.scope.sets
        },
    } | {
        name: _by_method(
            records, lambda method, metric, n=name: records.mean(backbone, n, method, metric)
        )
        for name in records.mean_names
    }


def _by_method(records: Records, cell: Any) -> dict[str, dict[str, float]]:
    table = {
        method: _rounded({metric: cell(method, metric)[0] for metric in OOD_METRICS})
        for method in records.methods
    }
    return {method: values for method, values in sorted(table.items()) if values}


def _rounded(values: dict[str, float | None]) -> dict[str, float]:
    return {
        name: round(value, DIGITS) for name, value in sorted(values.items()) if value is not None
    }
