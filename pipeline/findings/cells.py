"""Numbers with intervals: means over OOD sets and differences, formed replicate by replicate.

Replicate r of every record rests on the same ID images, so a mean or a difference of numbers has
the mean or the difference of their replicates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.statistics.bootstrap import percentile_interval
from pipeline.statistics.replicate_test import STILL, replicate_interval
from pipeline.statistics.replicates import restored
from pipeline.statistics.unmoved_metrics import no_surer_than_perfect


@dataclass(frozen=True)
class Cell:
    """A number with its interval, the replicates behind both, and of how many OOD sets it is."""

    value: float
    low: float
    high: float
    replicates: Float[np.ndarray, " b"]
    sets: int = 0


def mean_cell(
    records: Sequence[Mapping[str, Any]], method: str, metric: str, *, level: float
) -> Cell:
    """Mean of a metric over the evaluation records of OOD sets that one method scored.

    Where no replicate moves, its interval is the mean of the sets' own: percentiles would claim
    certainty, where records of perfect or constant scores know a bound. Nor is it ever surer than
    a mean of perfect scores.
    """
    cells = [record["methods"][method][metric] for record in records]
    value, low, high = (float(np.mean([c[key] for c in cells])) for key in ("value", "low", "high"))
    stored = [restored(record["replicates"][method][metric]) for record in records]
    if len(records) == 1:  # the set's own interval, from all resamples: one number, one interval
        return Cell(value, low, high, stored[0], sets=1)
    low, high = _ends(value, np.mean(stored, axis=0), still=(low, high), level=level)
    perfect = [
        no_surer_than_perfect(
            metric, (value, value), n_id=record["n_id"], n_ood=record["n_ood"], level=level
        )
        for record in records
    ]
    floor, ceiling = np.mean(perfect, axis=0)
    ends = min(low, float(floor)), max(high, float(ceiling))
    return Cell(value, *ends, np.mean(stored, axis=0), sets=len(records))


def difference_cell(first: Cell, second: Cell, *, level: float) -> Cell:
    """First minus second on the same draws; where none moves, what both intervals allow.

    On a single set the interval is that of the test there (`replicate_interval`), so that the row
    of the set and the mean over it alone say the same.
    """
    replicates = first.replicates - second.replicates
    value = first.value - second.value
    if first.sets == second.sets == 1 and np.ptp(replicates) > STILL:
        ends = replicate_interval(value, replicates, level=level)
    else:
        still = first.low - second.high, first.high - second.low
        ends = _ends(value, replicates, still=still, level=level)
    return Cell(value, *ends, replicates, sets=min(first.sets, second.sets))


def _ends(
    value: float, replicates: Float[np.ndarray, " b"], *, still: tuple[float, float], level: float
) -> tuple[float, float]:
    """Percentiles, and ``still`` where they have no width; stored steps round them."""
    low, high = percentile_interval(replicates, level=level)
    if high - low < STILL:
        low, high = still
    return min(low, value), max(high, value)
