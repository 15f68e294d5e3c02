"""How the small CLIP models are pretrained: the numbers, without torch."""

from dataclasses import dataclass, field

from pipeline.glyph_world.pretraining_pairs import PairParams


@dataclass(frozen=True)
class TrainParams:
    """How one model is trained, ``models.<backbone>.pretrain``.

    Attributes:
        steps: Batches in all.
        learning_rate: The peak.
        warmup: Share of the steps in which the learning rate rises linearly.
        weight_decay: AdamW's, on matrices only.
        batch_size: Pairs a batch; each image is contrasted with all its captions.
        logit_scale: Multiplier of the cosines at the start; learnt, at most 100.
    """

    steps: int
    learning_rate: float = 2e-3
    warmup: float = 0.1
    weight_decay: float = 0.1
    batch_size: int = 128
    logit_scale: float = 30.0

    def __post_init__(self) -> None:
        """Refuse a schedule without steps."""
        if self.steps < 1 or self.batch_size < 2:
            raise ValueError(
                "pretrain.steps must be at least 1 and pretrain.batch_size at least 2, "
                f"got {self.steps} and {self.batch_size}"
            )


@dataclass(frozen=True)
class CheckParams:
    """How many images a class the accuracy at the end is measured on, and their seed."""

    train_per_class: int = 100
    test_per_class: int = 40
    seed: int = 1


@dataclass(frozen=True)
class PretrainParams:
    """The recipe that all pretrained models share.

    Attributes:
        seed: Seed of weights and batches.
        threads: CPU threads; sums in another order change the last bits. Null: all cores.
        log_every: Steps between two lines where there is no terminal.
        pairs: The image-caption pairs.
        check: The accuracy at the end.
    """

    seed: int = 0
    threads: int | None = 2
    log_every: int = 50
    pairs: PairParams = field(default_factory=PairParams)
    check: CheckParams = field(default_factory=CheckParams)
