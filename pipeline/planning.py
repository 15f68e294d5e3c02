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
    """

    width: int | None = None
    gflops: float | None = None
    rate: float | None = None
    machine: str = ""

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
    rows.append(
        (
            "all",
            str(sum(len(plan.cached) for plan in plans)),
            str(sum(len(plan.to_extract) for plan in plans)),
            f"{sum(plan.images for plan in plans):,}",
            f"{sum(plan.stored_bytes or 0 for plan in plans) / 1e6:,.1f} MB",
            f"{sum(plan.hours or 0 for plan in plans):.2f}",
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
