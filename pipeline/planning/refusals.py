"""What would stop the run though all data were there, said before it begins."""

from collections.abc import Mapping
from typing import Any

from pipeline.attacks.pairs import too_many
from pipeline.param_checks.every_check import check_every
from pipeline.planning.counts import ImageCounts


def refusals(params: Mapping[str, Any], counts: ImageCounts) -> list[str]:
    """Return the first parameter that the run refuses, and the attacks on too few images.

    Args:
        params: What params.yaml holds, or would hold.
        counts: Images by data set; an estimate refuses nothing.
    """
    found = []
    try:
        check_every(params)
    except ValueError as error:
        found.append(str(error))
    for name, entry in params["datasets"].items():
        if not isinstance(entry, dict) or entry.get("source") != "craft":
            continue
        pairs, attacked = counts.images[name], entry["ood"]
        images = None if attacked in counts.estimated else counts.images.get(attacked)
        if pairs is None or images is None:
            continue
        if few := too_many(pairs, images, of=attacked):
            found.append(f"{name}: {few}")
    return found
