"""Section ``evaluate`` of params.yaml: how sure the numbers must be, and what is compared."""

from dataclasses import dataclass

# A standard deviation of 100 draws is known to 7 %, and their percentiles hold 93 % where 95 % are
# meant; with fewer, both look surer than they are.
LEAST_DRAWS = 100


@dataclass(frozen=True)
class EvaluateParams:
    """Section ``evaluate``.

    Attributes:
        tpr: Share of the positive class accepted at the threshold of fpr95 and fpr95_ood.
        resamples: Bootstrap resamples behind each interval, `LEAST_DRAWS` or more.
        replicates: How many of them are stored for joint intervals and tests, as many at least.
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
        for name in ("resamples", "replicates"):
            if (draws := getattr(self, name)) < LEAST_DRAWS:
                raise ValueError(
                    f"evaluate.{name} must be at least {LEAST_DRAWS}, got {draws}; with fewer, "
                    "intervals and tests look surer than they are"
                )
        if self.seed < 0:
            raise ValueError(f"evaluate.seed must be 0 or more, got {self.seed}")
        if self.replicates > self.resamples:
            raise ValueError(
                f"evaluate.replicates must be at most evaluate.resamples = {self.resamples}, got "
                f"{self.replicates}; raise the one or lower the other"
            )
        if bad := [pair for pair in self.compare if len(pair) != 2]:
            raise ValueError(f"evaluate.compare must list pairs of methods, got {list(bad[0])}")
        if same := [pair for pair in self.compare if pair[0] == pair[1]]:
            raise ValueError(
                "evaluate.compare must list pairs of different methods, got "
                f"{list(same[0])}; name another one or leave the pair out"
            )
