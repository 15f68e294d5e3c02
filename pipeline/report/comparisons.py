"""Pairs of methods on the same images: how far apart they are, and whether that may be chance."""

from pipeline.percent import points
from pipeline.report.records import Records, title
from pipeline.report.tables import Table


def comparisons_table(records: Records) -> Table:
    """Every compared pair of the headline backbone on every OOD set and mean."""
    backbone = records.scope.backbone
    means = records.mean_names if len(records.scope.ood) > 1 else ()
    found = {
        (row["first"], row["second"], row["dataset"]): row
        for row in records.comparisons.iter_rows(named=True)
        if row["backbone"] == backbone
    }
    pairs = sorted({key[:2] for key in found})
    rows = []
    for first, second in pairs:
        for dataset in (*means, *records.scope.ood):
            row = found.get((first, second, dataset))
            if row is not None:
                rows.append(
                    (
                        f"{first} minus {second}",
                        title(dataset),
                        _difference(row, "difference", "low", "high"),
                        _chance(row["p"]),
                        _chance(row["p_holm"]),
                        _difference(row, "fpr95_difference", "fpr95_low", "fpr95_high"),
                    )
                )
    level = f"{100 * records.setting('level'):g} %"
    return Table(
        title=f"Paired comparisons, {backbone}",
        header=("pair", "set", "AUROC", "p", "p (Holm)", "fpr95"),
        rows=tuple(rows),
        note=(
            f"Differences in points with {level} intervals, on the same images: above 0 in AUROC, "
            "below 0 in fpr95, the first method is better. On a set, interval and p of the AUROC "
            "are DeLong's; Holm's correction is over all backbones and OOD sets of the pair. Means "
            "and fpr95 have paired bootstrap intervals, over one set that set's, and no p."
        ),
    )


def _difference(row: dict[str, str | None], *names: str) -> str:
    """Difference and interval in points of a hundred."""
    return points(*(float(row[name] or "nan") for name in names))


def _chance(p: str | None) -> str:
    if p is None:
        return ""
    return f"{float(p):.3f}" if float(p) >= 0.001 else "< 0.001"
