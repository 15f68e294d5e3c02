"""How a linear probe is trained: the numbers, and the learning rate at every step."""

import math
from dataclasses import dataclass

DEVICES = ("auto", "cpu", "cuda")
FEW_STEPS = 500  # the paper's recipe makes 19,600 of them on CIFAR, and 15,700 on ImageNet


@dataclass(frozen=True)
class ProbeRecipe:
    """The recipe of Adaloglou et al. (TMLR 2024, arXiv:2303.05828).

    Attributes:
        epochs: Passes over the training rows.
        batch_size: 256 for CIFAR, 8192 for ImageNet; the last partial batch is kept.
        learning_rate: Peak; not scaled by the batch size.
        warmup: Share of all steps in which the rate climbs linearly to the peak.
        weight_decay: Adam's coupled L2, on the bias too.
    """

    epochs: int = 100
    batch_size: int = 256
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"probe.epochs and probe.batch_size must be at least 1, got {self.epochs} and "
                f"{self.batch_size}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"probe.learning_rate must be above 0, got {self.learning_rate}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"probe.warmup must be in [0, 1), got {self.warmup}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"probe.weight_decay must be 0 or more, got {self.weight_decay}")

    def steps(self, rows: int) -> int:
        """Return the number of optimiser steps over all epochs."""
        return self.epochs * math.ceil(rows / self.batch_size)

    def warning(self, rows: int) -> str:
        """Return what to tell where so few rows make too few steps for a head; "" elsewhere.

        A step of Adam moves a weight by at most about the rate, whose mean is half the peak.
        """
        if (steps := self.steps(rows)) >= FEW_STEPS or self.batch_size == 1:
            return ""
        smaller = max(1, min(rows * self.epochs // FEW_STEPS, self.batch_size - 1))
        return (
            f"{steps} steps in all on {rows} rows move a weight by at most about "
            f"{self.learning_rate * steps / 2:.2g}, so that the head has hardly settled; smaller "
            f"batches make more steps, as -S probe.batch_size={smaller}"
        )

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 1.

        The warm-up of ``round(warmup * steps)`` steps, at least one, ends on the peak; from there
        half a cosine falls to 0 on the last step. A single step is made at the peak.
        """
        climb = max(1, round(self.warmup * steps))
        if step <= climb:
            return self.learning_rate * step / climb
        share = (step - climb) / (steps - climb)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True)
class ProbeParams(ProbeRecipe):
    """Section `probe`: the recipe, and what is trained by it.

    Attributes:
        seeds: One head each; the first one's is the head, the others tell the spread.
        shots: Random images a class for the further head ``few_shot``, other ones for each seed, as
            their choice is most of its spread; 0 for none.
        device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
        memory_gib: What training may hold in this machine's memory, rows, targets, batches and
            weights; larger banks are streamed from a scratch file. Null for 60 % of what is free.
    """

    seeds: tuple[int, ...] = (42,)
    shots: int = 0
    device: str = "auto"
    memory_gib: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        super().__post_init__()
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"probe.seeds must be one or more different numbers, got {self.seeds}")
        # What torch and numpy both take; few-shot rows are drawn after other heads are trained.
        if bad := [seed for seed in self.seeds if not 0 <= seed < 2**63]:
            raise ValueError(f"probe.seeds must be in 0 .. 2^63 - 1, got {bad[0]}")
        if self.shots < 0:
            raise ValueError(f"probe.shots must be 0 or more, got {self.shots}")
        if self.device not in DEVICES:
            raise ValueError(
                f"probe.device must be one of {', '.join(DEVICES)}, got '{self.device}'"
            )
        if self.memory_gib is not None and not 0 < self.memory_gib < math.inf:
            raise ValueError(
                f"probe.memory_gib must be above 0, or null for 60 % of what is free, got "
                f"{self.memory_gib}"
            )
