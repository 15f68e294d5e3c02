"""The plan as text: a table, and where its hours come from."""

from collections.abc import Mapping, Sequence

from pipeline.planning.costs import BackbonePlan, Cost
from pipeline.planning.training import TrainingPlan

HEADER = ("backbone", "stores there", "to extract", "images", "to store", "hours")
MORE = " + ?"  # ends a number that something uncounted would raise
ABOUT = "≈"  # begins one that comes from an estimated number of images


def plan_table(plans: list[BackbonePlan], training: Sequence[TrainingPlan] = ()) -> list[str]:
    """The plan as aligned lines: one a backbone, one a training or attack, and a total."""
    rows = [HEADER, *map(_backbone_row, plans), *map(_training_row, training)]
    rows.append(_total_row(plans, training))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = []
    for row in rows:
        first, *rest = (
            cell.ljust(w) if c == 0 else cell.rjust(w)
            for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]))
    return lines


def _backbone_row(plan: BackbonePlan) -> tuple[str, ...]:
    more = MORE if plan.uncounted else ""
    about = ABOUT if plan.estimated else ""
    stored, hours = plan.stored_bytes, plan.hours
    return (
        plan.backbone,
        str(len(plan.cached)),
        str(len(plan.to_extract)),
        f"{about}{plan.images:,}{more}",
        "?" if stored is None else f"{about}{stored / 1e6:,.1f} MB{more}",
        "?" if hours is None else f"{about if plan.measured else '~'}{hours:.2f}{more}",
    )


def _training_row(plan: TrainingPlan) -> tuple[str, ...]:
    about = ABOUT if plan.estimated else ""
    images = "?" if plan.images is None else f"{about}{plan.images:,}"
    return (plan.what, "", "", images, "", "?" if plan.hours is None else f"~{plan.hours:.2f}")


def _total_row(plans: list[BackbonePlan], training: Sequence[TrainingPlan]) -> tuple[str, ...]:
    """Images and bytes are those of extraction; hours are of everything."""
    uncounted = any(plan.uncounted for plan in plans)
    about = ABOUT if any(plan.estimated for plan in plans) else ""
    unsized = uncounted or any(plan.stored_bytes is None for plan in plans)
    unknown = uncounted or any(plan.hours is None for plan in (*plans, *training))
    arithmetic = bool(training) or any(plan.speed == "arithmetic" for plan in plans)
    hours = sum(plan.hours or 0 for plan in (*plans, *training))
    stored = sum(plan.stored_bytes or 0 for plan in plans) / 1e6
    return (
        "all",
        str(sum(len(plan.cached) for plan in plans)),
        str(sum(len(plan.to_extract) for plan in plans)),
        f"{about}{sum(plan.images for plan in plans):,}{MORE if uncounted else ''}",
        f"{about}{stored:,.1f} MB{MORE if unsized else ''}",
        f"{'~' if arithmetic else about}{hours:.2f}{MORE if unknown else ''}",
    )


def speed_lines(
    plans: list[BackbonePlan], costs: Mapping[str, Cost], *, assumed_tflops: float
) -> list[str]:
    """Where the hours of `plan_table` come from, one line a kind."""
    by_machine: dict[str, list[str]] = {}
    for plan in plans:
        cost = costs[plan.backbone]
        if cost.rate is not None:
            by_machine.setdefault(cost.machine, []).append(f"{plan.backbone} {cost.rate:g}")
    lines = [
        f"hours measured on {machine}, images/s: {', '.join(rates)}"
        for machine, rates in by_machine.items()
    ]
    if any(plan.speed == "arithmetic" for plan in plans):
        lines.append(
            f"~ hours by arithmetic, not measured: the model's FLOPs on one GPU that sustains "
            f"{assumed_tflops:g} TFLOP/s"
        )
    if unknown := [plan.backbone for plan in plans if plan.speed == "unknown"]:
        lines.append(f"? hours not known, nor FLOPs: {', '.join(unknown)} (conf/costs.yaml)")
    return lines
