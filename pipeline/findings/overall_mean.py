"""The mean without a name: over every OOD set, or over those that a benchmark says.

A benchmark may hold sets of several papers, or a set and a part of it, so that a mean over all of
them is no one's number. Its ``benchmark.means.overall`` then says which sets ``mean`` counts; the
others are evaluated beside it, as crafted sets are.
"""

from collections.abc import Mapping, Sequence

OVERALL = "overall"
Sets = tuple[str, ...]


def check_means(means: Mapping[str, Sequence[str]], ood: Sequence[str]) -> None:
    """Refuse means of sets that are not evaluated, and names that tables have for something else.

    Args:
        means: ``benchmark.means``.
        ood: The OOD sets, which means may count.

    Raises:
        ValueError: Naming the rule, the value and the known sets.
    """
    for name, sets in means.items():
        if name in ("all", "mean"):
            raise ValueError(
                f"benchmark.means must not name a mean '{name}', which is the mean over every OOD "
                f"set; name it '{OVERALL}' to say which sets that mean counts, or choose another "
                "name"
            )
        if not sets:
            raise ValueError(
                f"benchmark.means.{name} must name at least one OOD set; known: {', '.join(ood)}"
            )
        if unknown := [dataset for dataset in sets if dataset not in ood]:
            raise ValueError(
                f"benchmark.means.{name} names the unknown '{unknown[0]}'; known: {', '.join(ood)}"
            )


def counted_sets(ood: Sets, means: Mapping[str, Sets]) -> Sets:
    """The OOD sets that ``mean`` counts: each one, unless the benchmark says which."""
    return means.get(OVERALL, ood)


def named_means(means: Mapping[str, Sets]) -> dict[str, Sets]:
    """The means that stand beside it under their own names."""
    return {name: sets for name, sets in means.items() if name != OVERALL}
