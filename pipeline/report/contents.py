"""Tables of numbers: the headline, every metric on every set, accuracies."""

from pipeline.classifier_names import KNN, ZERO_SHOT
from pipeline.findings.study_scope import MEAN
from pipeline.percent import NOT_APPLICABLE, percent
from pipeline.report.openood import list_note
from pipeline.report.provenance import recall_note
from pipeline.report.records import Records, title
from pipeline.report.table_notes import absent, intervals, joined
from pipeline.report.tables import Table

TITLES = {"auroc": "AUROC", "fpr95": "fpr95"}
SENSE = {
    "auroc": "AUROC in percent, higher = better, 50 = chance.",
    "fpr95": (
        "Share of OOD images accepted (%) when at least {tpr:g} % of the ID images are: ID is the "
        "positive class. Lower = better."
    ),
}


def headline_table(records: Records) -> Table:
    """AUROC of the headline methods: means with intervals first, then each OOD set."""
    backbone = records.scope.backbone
    means = _mean_columns(records)
    rows = []
    for method in records.headline_methods:
        cells = [percent(*records.mean(backbone, name, method, "auroc")) for name in means]
        shown = 3 if not means else 1  # the interval too, where no mean stands beside it
        cells += [
            percent(*records.metric(backbone, dataset, method, "auroc")[:shown])
            for dataset in records.scope.sets
        ]
        rows.append((method, *cells))
    return Table(
        title=f"AUROC (%) on {records.scope.benchmark} with {backbone}",
        header=("method", *map(title, means), *records.scope.sets),
        rows=tuple(rows),
        note=joined(
            f"Higher = better, 50 = chance. {intervals(records)}",
            _means_sentence(records),
            "Intervals of each set: section AUROC." if means else "",
            _accuracy_sentence(records),
            recall_note(records),
        ),
    )


def metric_table(records: Records, metric: str) -> Table:
    """One metric of every method on every OOD set, headline backbone, with intervals."""
    backbone = records.scope.backbone
    means = _mean_columns(records)
    rows = tuple(
        (
            method,
            *(percent(*records.mean(backbone, name, method, metric)) for name in means),
            *(percent(*records.metric(backbone, d, method, metric)) for d in records.scope.sets),
        )
        for method in records.applying(backbone)
    )
    return Table(
        title=f"{TITLES[metric]} of every method on every OOD set, {backbone}",
        header=("method", *map(title, means), *records.scope.sets),
        rows=rows,
        note=joined(
            f"{_sense(records, metric)} {intervals(records)}",
            _means_sentence(records),
            absent(records, backbone),
            recall_note(records),
        ),
    )


def backbones_table(records: Records) -> Table:
    """Mean AUROC over the counted OOD sets of every method on every backbone."""
    rows = tuple(
        (
            method,
            *(percent(*records.mean(b, MEAN, method, "auroc")) for b in records.scope.backbones),
        )
        for method in records.applying(*records.scope.backbones)
    )
    averaged = records.scope.averaged
    return Table(
        title=f"{averaged[0].upper()}{averaged[1:]}, every backbone",
        header=("method", *records.scope.backbones),
        rows=rows,
        note=joined(
            _sense(records, "auroc"),
            intervals(records),
            _counted(records),
            absent(records, *records.scope.backbones),
            recall_note(records, *records.scope.backbones),
        ),
    )


def accuracy_table(records: Records) -> Table:
    """ID top-1 accuracy of every backbone by every classifier."""
    rows = tuple(
        (backbone, *(percent(*records.accuracy(backbone, how)) for how in records.classifiers))
        for backbone in records.scope.backbones
    )
    return Table(
        title="ID accuracy",
        header=("backbone", *records.classifiers),
        rows=rows,
        note=(
            f"Top-1 accuracy in percent on {records.scope.id_test}. {intervals(records)} "
            f"{ZERO_SHOT}: the nearest class name by the text tower; {KNN}: a vote of the 20 "
            "nearest images of the bank; plp, lp: linear heads trained on pseudo-labels of the "
            "text tower, on true labels."
        ),
    )


def accepted_table(records: Records) -> Table:
    """ID accuracy of the headline backbone among the ID images that each method accepts."""
    backbone = records.scope.backbone
    record = records.accuracies[backbone]
    accepted = record["accepted"]
    classifiers = [how for how in records.classifiers if how in accepted]
    rows = tuple(
        (method, *(percent(**accepted[how].get(method, {"value": None})) for how in classifiers))
        for method in records.applying(backbone)
    )
    return Table(
        title=f"ID accuracy among accepted images, {backbone}",
        header=("accepted by", *classifiers),
        rows=rows,
        note=joined(
            "Top-1 accuracy in percent among the ID images with the highest scores, at least "
            f"{100 * record['tpr']:g} % of them. {intervals(records)}",
            absent(records, backbone),
        ),
    )


def _mean_columns(records: Records) -> tuple[str, ...]:
    """A mean over one set repeats it: leave the means out where there is only one set."""
    return records.mean_names if len(records.scope.ood) > 1 else ()


def _sense(records: Records, metric: str) -> str:
    return SENSE[metric].format(tpr=100 * records.setting("tpr"))


def _means_sentence(records: Records) -> str:
    if len(records.scope.ood) < 2:
        return ""
    left_out = (
        f", without the crafted {', '.join(records.scope.crafted)}" if records.scope.crafted else ""
    )
    each = f"The mean counts each of the {len(records.scope.ood)} OOD sets once{left_out}."
    groups = " near and far: OpenOOD v1.5's groups, see Notes." if list_note(records) else ""
    return f"{_counted(records) or each}{groups}"


def _counted(records: Records) -> str:
    """Name the sets of the overall mean where it leaves some out."""
    if records.scope.counts_all:
        return ""
    return f"The mean counts {records.scope.over}: {', '.join(records.scope.counted)}."


def _accuracy_sentence(records: Records) -> str:
    cells = {how: records.accuracy(records.scope.backbone, how)[0] for how in records.classifiers}
    known = [f"{how} {percent(value)}" for how, value in cells.items() if value is not None]
    absent = [f"{how} {NOT_APPLICABLE}" for how, value in cells.items() if value is None]
    return f"ID accuracy (%): {', '.join([*known, *absent])}."
