"""Section ``evaluate`` of params.yaml: how sure the numbers must be, and what is compared."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluateParams:
    """Section ``evaluate``.

    Attributes:
        tpr: Share of the positive class accepted at the threshold of fpr95 and fpr95_ood.
        resamples: Bootstrap resamples behind each interval.
        replicates: How many of them are stored for joint intervals.
        seed: Seed of the resamples.
        level: Confidence level of every interval.
        compare: Pairs of methods to test on the same images, first minus second.
        class_methods: Methods broken down by OOD class; none given: every method.
    """

    tpr: float = 0.95
    resamples: int = 1000
    replicates: int = 200
    seed: int = 0
    level: float = 0.95
    compare: tuple[tuple[str, ...], ...] = ()
    class_methods: list[str] | None = None

    def __post_init__(self) -> None:
        """Refuse values that would only fail after the scores are sorted."""
        if not 0 < self.tpr <= 1:
            raise ValueError(f"evaluate.tpr must be in (0, 1], got {self.tpr}; write 95 % as 0.95")
        if not 0 < self.level < 1:
            raise ValueError(
                f"evaluate.level must be in (0, 1), got {self.level}; write 95 % as 0.95"
            )
        if self.resamples < 1:
            raise ValueError(f"evaluate.resamples must be at least 1, got {self.resamples}")
        if self.seed < 0:
            raise ValueError(f"evaluate.seed must be 0 or more, got {self.seed}")
        if not 1 <= self.replicates <= self.resamples:
            raise ValueError(
                f"evaluate.replicates must be between 1 and evaluate.resamples = {self.resamples}, "
                f"got {self.replicates}"
            )
        if bad := [pair for pair in self.compare if len(pair) != 2]:
            raise ValueError(f"evaluate.compare must list pairs of methods, got {list(bad[0])}")
        if same := [pair for pair in self.compare if pair[0] == pair[1]]:
            raise ValueError(
                "evaluate.compare must list pairs of different methods, got "
                f"{list(same[0])}; name another one or leave the pair out"
            )
