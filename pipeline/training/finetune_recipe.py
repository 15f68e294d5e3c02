"""How an image tower is fine-tuned on the ID classes: the numbers of the paper's other arm."""

from dataclasses import dataclass
from typing import Literal

LARGE_SHARE = 0.1  # of the initial weights left in what is kept, from which it is worth a warning
NOT_NEGATIVE = ("weight_decay", "warmup_rate", "min_rate", "mixup", "cutmix", "seed", "workers")


@dataclass(frozen=True)
class FinetuneRecipe:
    """The CIFAR recipe of Adaloglou et al. (TMLR 2024, arXiv:2303.05828).

    Section `finetune`; an entry of the backbone table overrides parts of it by ``finetune``.

    Attributes:
        start: Backbone whose image tower is fine-tuned; set by the entry.
        epochs: Passes over the training images.
        batch_size: Images a step over all devices, even; the last partial batch is left out.
        learning_rate: Peak for 512 images a step; scaled by the batch.
        weight_decay: Of AdamW; biases and norms have none.
        warmup_epochs: Epochs of linear climb from `warmup_rate`.
        warmup_rate: First learning rate.
        min_rate: Last learning rate of the cosine.
        mixup: Strength of mixup (Zhang et al., ICLR 2018, arXiv:1710.09412).
        cutmix: Strength of CutMix (Yun et al., ICCV 2019, arXiv:1905.04899).
        smoothing: Label smoothing.
        ema: Decay of the weights' moving average.
        keep: ``average`` keeps that average, as the paper's recipe says; ``last`` the weights of
            the last step.
        head_std: Deviation of the new classifier's truncated normal start.
        seed: Of order, mixing and classifier.
        workers: Decoding processes for sets too large to be kept decoded in memory.
        device: ``auto`` (all GPUs there are, else the CPU), ``cpu``, ``cuda``.
    """

    start: str = ""
    epochs: int = 100
    batch_size: int = 512
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    warmup_epochs: float = 5.0
    warmup_rate: float = 1e-6
    min_rate: float = 1e-5
    mixup: float = 0.8
    cutmix: float = 1.0
    smoothing: float = 0.1
    ema: float = 0.99996
    keep: Literal["average", "last"] = "average"
    head_std: float = 0.02
    seed: int = 42
    workers: int = 8
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        if self.batch_size < 2 or self.batch_size % 2:
            raise ValueError(
                f"finetune.batch_size must be even, since mixup pairs images, got {self.batch_size}"
            )
        if not 0 <= self.warmup_epochs < self.epochs:
            raise ValueError(
                f"finetune.warmup_epochs must be below finetune.epochs = {self.epochs}, got "
                f"{self.warmup_epochs}"
            )
        if not 0 <= self.ema < 1:
            raise ValueError(f"finetune.ema must be in [0, 1), got {self.ema}")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"finetune.smoothing must be in [0, 1), got {self.smoothing}")
        for name in ("learning_rate", "head_std"):
            if not (value := getattr(self, name)) > 0:
                raise ValueError(f"finetune.{name} must be above 0, got {value}")
        for name in NOT_NEGATIVE:
            if not (value := getattr(self, name)) >= 0:
                raise ValueError(f"finetune.{name} must be 0 or more, got {value}")

    @property
    def peak(self) -> float:
        """Return the peak learning rate of this batch size."""
        return self.learning_rate * self.batch_size / 512

    def initial_share(self, rows: int) -> float:
        """Return the share of the initial weights in what is kept, in [0, 1].

        An average that starts at the initial weights still holds ``ema ** steps`` of them, of the
        new classifier's random start too.
        """
        return self.ema ** (self.epochs * self.steps_per_epoch(rows)) if self.averages else 0.0

    @property
    def averages(self) -> bool:
        """Return whether the average is kept."""
        return self.keep == "average"

    def steps_per_epoch(self, rows: int) -> int:
        """Return the number of whole batches.

        Raises:
            ValueError: If there is none.
        """
        if rows < self.batch_size:
            raise ValueError(
                f"fine-tuning needs at least one batch of images: finetune.batch_size is "
                f"{self.batch_size}, the ID training set has {rows}"
            )
        return rows // self.batch_size


def start_left_warning(recipe: FinetuneRecipe, rows: int) -> str | None:
    """Return a warning where what is kept has hardly left the weights it began with.

    Args:
        recipe: How it is trained.
        rows: Training images.
    """
    share = recipe.initial_share(rows)
    if share <= LARGE_SHARE:
        return None
    steps = recipe.epochs * recipe.steps_per_epoch(rows)
    return (
        f"the average that is kept still holds {share:.0%} of the weights it began with, the new "
        f"classifier's random ones too: finetune.ema = {recipe.ema:g} (the paper's: 0.99996) over "
        f"{steps:,} steps; finetune.keep: last keeps the trained weights, a smaller finetune.ema "
        "forgets faster"
    )
