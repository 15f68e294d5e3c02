"""What one crafted dataset is: its numbers, and which of them contradict each other."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.params import from_mapping

# Steps after which the features of the images are kept, for the curve of AUROC against steps.
SNAPSHOTS = (0, 10, 25, 50, 100, 175, 250, 500, 1000)


@dataclass(frozen=True)
class Budget:
    """A ball around the source image that projected gradient steps stay in.

    ``linf``: epsilon is the largest change of one channel; ``l2``: the root of the summed squares
    over the image. Both on pixels in [0, 1]. ``step`` is the length of one step in that norm.
    """

    norm: Literal["linf", "l2"]
    epsilon: float
    step: float


@dataclass(frozen=True)
class CraftSpec:
    """One crafted dataset: OOD images of `ood`, pushed towards ID features of a surrogate.

    The numbers of the feature-space manipulation are those of Adaloglou et al. (TMLR 2024,
    arXiv:2303.05828): Adam, learning rate 1e-3, 250 steps, initial noise 1e-3, and a smoothness
    weight of 5e3 (smooth) or 0 (patchy).

    Attributes:
        surrogate: The backbone that is attacked; None for ``craft.surrogate``.
    """

    ood: str
    source: Literal["craft"] = "craft"
    surrogate: str | None = None
    pairs: int = 200
    smoothness: float = 5.0e3
    steps: int = 250
    learning_rate: float = 1.0e-3
    noise: float = 1.0e-3
    seed: int = 0
    target: Literal["random", "nearest", "class_text", "class_mean", "probe"] = "random"
    budget: Budget | None = None
    restarts: int = 1
    batch_size: int | Literal["auto"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be meant."""
        for name in ("pairs", "steps", "restarts"):
            if getattr(self, name) < 1:
                raise ValueError(f"'{name}' must be at least 1, got {getattr(self, name)}")
        for name in ("smoothness", "noise"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(
                    f"'{name}' must be finite and not negative, got {getattr(self, name)}"
                )
        if not self.learning_rate > 0:
            raise ValueError(f"'learning_rate' must be positive, got {self.learning_rate}")
        if self.batch_size != "auto" and self.batch_size < 1:
            raise ValueError(f"'batch_size' must be 'auto' or at least 1, got {self.batch_size}")
        if self.restarts > 1 and self.noise == 0:
            raise ValueError("'restarts' above 1 need 'noise' above 0: equal starts end equal")
        if self.budget is not None:
            _check_budget(self.budget, smoothness=self.smoothness)

    @property
    def attack(self) -> str:
        """The name of the attack in the tables."""
        if self.budget is not None:
            return f"pgd_{self.budget.norm}"
        return "smooth" if self.smoothness > 0 else "patchy"

    @property
    def snapshots(self) -> tuple[int, ...]:
        """The steps whose features are kept; the last one is always among them."""
        return (*(step for step in SNAPSHOTS if step < self.steps), self.steps)


def _check_budget(budget: Budget, *, smoothness: float) -> None:
    if smoothness > 0:
        raise ValueError(
            f"'smoothness' {smoothness:g} and a budget {budget.norm} {budget.epsilon:g} contradict "
            "each other: both limit the perturbation; set 'smoothness: 0' or 'budget: null'"
        )
    if not 0 < budget.step <= budget.epsilon:
        raise ValueError(
            f"'budget.step' must be above 0 and at most epsilon {budget.epsilon:g}, "
            f"got {budget.step:g}"
        )
    if budget.norm == "linf" and not 1 / 255 <= budget.epsilon <= 1:
        raise ValueError(
            "'budget.epsilon' of an linf budget must be between 1/255 (one level of an 8-bit "
            f"image) and 1, got {budget.epsilon:g}"
        )


def craft_spec(dataset: dict[str, Any], *, defaults: dict[str, Any], name: str) -> CraftSpec:
    """The spec of one dataset: its own entries over the defaults, ``craft.defaults``."""
    return from_mapping(CraftSpec, {**defaults, **dataset}, section=f"datasets.{name}")
