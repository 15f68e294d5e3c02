"""Names that methods refer to: heads, and what section ``fit`` has fitted for them."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline.classifier_names import ZERO_SHOT
from pipeline.head_names import known_heads
from pipeline.scores import SCORES

# score, parameter: the entry of `fit` that must hold its value
_FITTED = {
    ("mahalanobis", "gaussians"): "gaussians",
    ("relative_mahalanobis", "gaussians"): "gaussians",
    ("residual", "space"): "residuals",
    ("vim", "head"): "residuals",
    ("kl_matching", "head"): "head_statistics",
    ("nnguide", "head"): "head_statistics",
}
PARTS = tuple(dict.fromkeys(_FITTED.values()))  # of section fit


def check_names(
    methods: Mapping[str, Mapping[str, Any]],
    fitted: Mapping[str, Collection[str]],
    *,
    seeds: Sequence[int] = (),
) -> None:
    """Refuse methods that name a head that is never trained, or a part that is never fitted.

    Args:
        methods: Section ``methods``, of known scores and parameters.
        fitted: Names in ``gaussians``, ``residuals`` and ``head_statistics`` of section ``fit``.
        seeds: ``probe.seeds``; the first one's heads bear no number.

    Raises:
        ValueError: Naming the method, the name and the known ones.
    """
    known = known_heads(seeds)
    for name, entry in methods.items():
        heads = [entry["head"]] if "head" in entry else entry.get("heads", [])
        for head in heads:
            if head not in known:
                raise ValueError(
                    f"methods.{name} names the head '{head}', which is never trained; "
                    f"known: {', '.join(known)}; another seed's need its number in probe.seeds"
                )
        for (score, key), section in _FITTED.items():
            if entry["score"] != score:
                continue
            wanted = entry.get(key, inspect.signature(SCORES[score]).parameters[key].default)
            if wanted in fitted[section] or (score, wanted) == ("vim", ZERO_SHOT):
                continue  # the latter has no residuals to fit, and says so in the tables
            raise ValueError(
                f"methods.{name}.{key} names '{wanted}', which fit.{section} does not fit; "
                f"known: {', '.join(fitted[section]) or 'none'}; add it there"
            )
