"""What a run would extract, store and cost, before anything is spent."""

from collections.abc import Mapping
from dataclasses import dataclass

BYTES = {"float16": 2, "float32": 4}


@dataclass(frozen=True)
class Cost:
    """What one backbone costs: feature width, and speed as measured or by arithmetic.

    Attributes:
        width: Features of an image.
        gflops: Of one forward pass.
        rate: Images per second, where measured.
        machine: Where the rate was measured.

    Raises:
        ValueError: If a rate comes without the machine: nobody can tell what it means.
    """

    width: int | None = None
    gflops: float | None = None
    rate: float | None = None
    machine: str = ""

    def __post_init__(self) -> None:
        """Refuse a rate of unknown origin."""
        if self.rate is not None and not self.machine:
            raise ValueError(
                f"a rate ({self.rate:g} images/s) needs the `machine` it was measured on; give "
                "`gflops` instead where nobody measured it"
            )

    def images_per_second(self, *, assumed_tflops: float) -> float | None:
        """The measured rate, or the one that the arithmetic allows; None if neither is known."""
        if self.rate is not None:
            return self.rate
        return None if self.gflops is None else 1000 * assumed_tflops / self.gflops


@dataclass(frozen=True)
class BackbonePlan:
    """What is still to do for one backbone; None stands for not known."""

    backbone: str
    cached: tuple[str, ...]
    to_extract: tuple[str, ...]
    images: int
    uncounted: tuple[str, ...]
    stored_bytes: int | None
    hours: float | None
    measured: bool

    @property
    def speed(self) -> str:
        """Where the hours come from: ``measured``, ``arithmetic`` or ``unknown``."""
        if self.hours is None:
            return "unknown"
        return "measured" if self.measured else "arithmetic"


def plan_backbone(
    backbone: str,
    *,
    images: Mapping[str, int | None],
    cached: Mapping[str, bool],
    cost: Cost,
    dtype: str,
    assumed_tflops: float,
) -> BackbonePlan:
    """Count images, bytes and hours of the stores that are not there yet.

    Args:
        backbone: Its name.
        images: Number of images by dataset; None where nothing says it.
        cached: Whether the store of a dataset is there.
        cost: What an image of this backbone costs.
        dtype: Of the stores.
        assumed_tflops: Sustained speed to assume where no rate was measured.
    """
    todo = tuple(name for name in images if not cached.get(name, False))
    count = sum(images[name] or 0 for name in todo)
    rate = cost.images_per_second(assumed_tflops=assumed_tflops)
    return BackbonePlan(
        backbone=backbone,
        cached=tuple(name for name in images if cached.get(name, False)),
        to_extract=todo,
        images=count,
        uncounted=tuple(name for name in todo if images[name] is None),
        stored_bytes=None if cost.width is None else count * cost.width * BYTES[dtype],
        hours=None if rate is None else count / rate / 3600,
        measured=cost.rate is not None,
    )


def plan_table(plans: list[BackbonePlan]) -> list[str]:
    """The plan as aligned lines, one a backbone and a total."""
    rows = [("backbone", "stores there", "to extract", "images", "to store", "hours")]
    for plan in plans:
        rows.append(
            (
                plan.backbone,
                str(len(plan.cached)),
                str(len(plan.to_extract)),
                f"{plan.images:,}" + (" + ?" if plan.uncounted else ""),
                "?" if plan.stored_bytes is None else f"{plan.stored_bytes / 1e6:,.1f} MB",
                "?" if plan.hours is None else f"{'' if plan.measured else '~'}{plan.hours:.2f}",
            )
        )
    hours = f"{sum(plan.hours or 0 for plan in plans):.2f}"
    if any(plan.speed == "arithmetic" for plan in plans):
        hours = f"~{hours}"
    if any(plan.speed == "unknown" for plan in plans):
        hours = f"{hours} + ?"
    rows.append(
        (
            "all",
            str(sum(len(plan.cached) for plan in plans)),
            str(sum(len(plan.to_extract) for plan in plans)),
            f"{sum(plan.images for plan in plans):,}"
            + (" + ?" if any(plan.uncounted for plan in plans) else ""),
            f"{sum(plan.stored_bytes or 0 for plan in plans) / 1e6:,.1f} MB"
            + (" + ?" if any(plan.stored_bytes is None for plan in plans) else ""),
            hours,
        )
    )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = (
            cell.ljust(w) if c == 0 else cell.rjust(w)
            for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]))
    return lines


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
