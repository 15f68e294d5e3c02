"""The paper's claims beside what was measured, and its differences mean by mean."""

from collections.abc import Collection

import polars as pl

from pipeline.findings.study_scope import MEAN, mean_key
from pipeline.findings.told_claims import told_claims
from pipeline.report.records import Records, title
from pipeline.report.tables import Table
from pipeline.report.wording import evidence

BELOW = "next table"
TESTS = {
    "b": "of claim b DeLong's",
    "c": (
        "of claim c, which compares two models, a z test with the standard error of joint "
        "bootstrap draws, for records hold no scores for DeLong's"
    ),
}


def claims_table(records: Records) -> Table:
    """The claims of the paper beside what was measured here, or why nothing was.

    Differences that were measured over several means stand in `differences_table`; here they
    are one row, so that the table stays short with many backbones.
    """
    rows: list[tuple[str, ...]] = []
    for cell in _cells(told_claims(records.claims, records.scope.benchmark)):
        said = cell["claim"], cell["statement"], cell["paper"]
        if _is_difference(cell):
            row = (*said, BELOW, "", f"{records.scope.benchmark}, {_by(records)}")
            if row not in rows:
                rows.append(row)
        else:
            rows.append((*said, cell["ours"], _interval(cell), cell["on"]))
    return Table(
        title="Claims of the paper",
        header=("claim", "statement", "paper", "ours", "interval", "measured on"),
        rows=tuple(rows),
        note=(
            f"Measured on {records.scope.benchmark}. AUROC differences in points; intervals of "
            f"{100 * records.setting('level'):g} %. {evidence(records)}"
        ).rstrip(),
    )


def differences_table(records: Records) -> Table:
    """Claims b and c: one row a backbone and score, one column a mean that they are judged over."""
    differences = [cell for cell in _cells(records.claims) if _is_difference(cell)]
    judged = {cell["mean"] for cell in differences}
    means = [name for name in records.mean_names if name in judged]
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for cell in differences:
        what = cell["statement"].removeprefix("AUROC of ")
        what = f"{what}, {cell['of']}" if cell["claim"] == "b" else cell["of"]
        found.setdefault((cell["claim"], what), {})[cell["mean"]] = cell
    rows = tuple(
        (*key, *(_points(cells.get(mean)) for mean in means), _tests(records, cells, means))
        for key, cells in found.items()
    )
    claims = sorted({claim for claim, _ in found})
    tests = [TESTS[claim] for claim in claims]
    return Table(
        title=f"Claim{'s' * (len(claims) > 1)} {' and '.join(claims)}, {_by(records)}",
        header=("claim", "first minus second", *map(records.scope.title, means), "tests"),
        rows=rows,
        note=(
            f"Differences of AUROC in points with {100 * records.setting('level'):g} % intervals, "
            f"paired over images: above 0, the first is better. {_members(records, means)}Tests on "
            f"each set: {'; '.join(tests)}. Holm's correction is over all backbones and sets of a "
            "pair of scores; open: the difference may be chance."
        ),
    )


def _by(records: Records) -> str:
    """What the differences are judged over."""
    ood = records.scope.ood
    return f"on {ood[0]}" if len(ood) == 1 else "by mean over OOD sets"


def _cells(claims: pl.DataFrame) -> list[dict[str, str]]:
    return [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in claims.iter_rows(named=True)
    ]


def _is_difference(cell: dict[str, str]) -> bool:
    return cell["claim"] in ("b", "c") and cell["mean"] != ""


def _interval(cell: dict[str, str]) -> str:
    if not cell["low"]:
        return cell["interval"]
    return f"{cell['low']} to {cell['high']}: {cell['interval']}"


def _points(cell: dict[str, str] | None) -> str:
    return f"{cell['ours']} ({cell['low']} to {cell['high']})" if cell else ""


def _tests(records: Records, cells: dict[str, dict[str, str]], means: Collection[str]) -> str:
    """The verdict over every OOD set, where there is one; else that of each mean."""
    if MEAN in means and records.scope.counts_all:
        return cells.get(MEAN, {}).get("p", "")
    verdicts = {title(mean): cells[mean]["p"] for mean in means if cells.get(mean, {}).get("p")}
    if len(verdicts) < 2:
        return next(iter(verdicts.values()), "")
    return "; ".join(f"{name}: {verdict}" for name, verdict in verdicts.items())


def _members(records: Records, means: Collection[str]) -> str:
    """Say what each of these means counts; a single set is no mean."""
    scope = records.scope
    if len(scope.ood) == 1:
        return ""
    counted = {MEAN: f"all {len(scope.ood)} OOD sets"}
    if not scope.counts_all:
        counted = {MEAN: ", ".join(scope.counted)}
    counted |= {mean_key(name): ", ".join(sets) for name, sets in scope.named.items()}
    return f"{'; '.join(f'{title(mean)}: {counted[mean]}' for mean in means)}. "
