"""What another training run would change: methods on heads of several seeds, side by side."""

import re

import numpy as np

from pipeline.findings.study_scope import MEAN
from pipeline.report.records import Records
from pipeline.report.tables import Table

SEED = re.compile(r"(?P<method>.+)_seed\d+")


def seed_families(methods: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the methods that differ by the seed of their head only, the plain one first.

    ``plp_msp`` and ``plp_msp_seed43`` are of one family; a method of one seed has none.
    """
    families: dict[str, list[str]] = {}
    for method in methods:
        found = SEED.fullmatch(method)
        if found and found["method"] in methods:
            families.setdefault(found["method"], [found["method"]]).append(method)
    return families


def seeds_table(records: Records) -> Table:
    """Mean AUROC over the counted OOD sets by every seed, and its spread, headline backbone."""
    backbone = records.scope.backbone
    rows = []
    for method, family in seed_families(records.methods).items():
        found = [records.mean(backbone, MEAN, name, "auroc")[0] for name in family]
        values = 100 * np.array([value for value in found if value is not None])
        if len(values) > 1:
            numbers = values.mean(), values.std(ddof=1), values.min(), values.max()
            rows.append((method, str(len(values)), *(f"{number:.1f}" for number in numbers)))
    return Table(
        title=f"Spread over training seeds, {backbone}",
        header=("method", "seeds", "mean", "standard deviation", "lowest", "highest"),
        rows=tuple(rows),
        note=f"In percent, {records.scope.averaged}; one head for each seed of "
        "probe.seeds, on the same images.",
    )
