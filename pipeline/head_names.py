"""What heads are called: those of the first seed by their kind, others with their seed too."""

from collections.abc import Sequence

from pipeline.classifier_names import ZERO_SHOT

TRAINED = ("plp", "lp", "few_shot")
HEADS = (ZERO_SHOT, *TRAINED, "ft")


def head_name(kind: str, seed: int, seeds: Sequence[int]) -> str:
    """Return ``plp`` for the first of ``probe.seeds``, ``plp_seed43`` for a further one."""
    return kind if seed == seeds[0] else f"{kind}_seed{seed}"


def head_kind(name: str) -> str:
    """Return ``plp`` for a head of that kind, whatever its seed."""
    return name.partition("_seed")[0]


def known_heads(seeds: Sequence[int]) -> list[str]:
    """Return every head there may be: of the first seed, then the trained ones of the others."""
    return [*HEADS, *(head_name(kind, seed, seeds) for seed in seeds[1:] for kind in TRAINED)]
