"""What a run would extract, store and cost, before anything is spent."""

from collections.abc import Mapping, Set
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
    """What is still to do for one backbone; None stands for not known.

    Attributes:
        backbone: Its name.
        cached: The data sets whose stores are there.
        to_extract: Those to extract.
        images: Of these, those that have a number.
        uncounted: Those that have none.
        estimated: Those whose number is no count.
        stored_bytes: Of the stores to come.
        hours: To extract them.
        measured: Whether the hours are by a measured rate.
    """

    backbone: str
    cached: tuple[str, ...]
    to_extract: tuple[str, ...]
    images: int
    uncounted: tuple[str, ...]
    estimated: tuple[str, ...]
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
    estimated: Set[str] = frozenset(),
) -> BackbonePlan:
    """Count images, bytes and hours of the stores that are not there yet.

    Args:
        backbone: Its name.
        images: Number of images by dataset; None where nothing says it.
        cached: Whether the store of a dataset is there.
        cost: What an image of this backbone costs.
        dtype: Of the stores.
        assumed_tflops: Sustained speed to assume where no rate was measured.
        estimated: The data sets whose number of images is no count.
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
        estimated=tuple(name for name in todo if name in estimated),
        stored_bytes=None if cost.width is None else count * cost.width * BYTES[dtype],
        hours=None if rate is None else count / rate / 3600,
        measured=cost.rate is not None,
    )
