"""Heads that methods name are trained, and parts that they name are in section ``fit``."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline.classifier_names import ZERO_SHOT
from pipeline.head_names import known_heads
from pipeline.scores import NEEDS, SCORES
from pipeline.scores.parameters import defaults


def check_parts(
    methods: Mapping[str, Mapping[str, Any]],
    fitted: Mapping[str, Collection[str]],
    *,
    seeds: Sequence[int] = (),
) -> None:
    """Refuse methods that name a head that is never trained, or a part that is never fitted.

    Args:
        methods: Section ``methods``, of known scores and parameters.
        fitted: Names in each entry of section ``fit`` that `pipeline.scores.needs.FITTED` lists.
        seeds: ``probe.seeds``; the first one's heads bear no number.

    Raises:
        ValueError: Naming the method, the name and the known ones.
    """
    known = known_heads(seeds)
    for name, entry in methods.items():
        needs, every = NEEDS[entry["score"]], defaults(SCORES[entry["score"]]) | dict(entry)
        for head in [every["head"]] if "head" in every else every.get("heads", ()):
            if head not in known:
                raise ValueError(
                    f"methods.{name} names the head '{head}', which is never trained; "
                    f"known: {', '.join(known)}; another seed's need its number in probe.seeds"
                )
        for key, section in needs.fitted.items():
            wanted = every[key]
            if wanted in fitted[section] or (needs.linear_head and wanted == ZERO_SHOT):
                continue  # the latter has no part to fit, and says so in the tables
            raise ValueError(
                f"methods.{name}.{key} names '{wanted}', which fit.{section} does not fit; "
                f"known: {', '.join(fitted[section]) or 'none'}; add it there"
            )
