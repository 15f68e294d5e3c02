"""The mean without a name: over every OOD set, or over those that a benchmark says.

A benchmark may hold sets of several papers, or a set and a part of it, so that a mean over all of
them is no one's number. Its ``benchmark.means.overall`` then says which sets ``mean`` counts; the
others are evaluated beside it, as crafted sets are.
"""

from collections.abc import Mapping

OVERALL = "overall"
Sets = tuple[str, ...]


def counted_sets(ood: Sets, means: Mapping[str, Sets]) -> Sets:
    """The OOD sets that ``mean`` counts: each one, unless the benchmark says which."""
    return means.get(OVERALL, ood)


def named_means(means: Mapping[str, Sets]) -> dict[str, Sets]:
    """The means that stand beside it under their own names."""
    return {name: sets for name, sets in means.items() if name != OVERALL}
