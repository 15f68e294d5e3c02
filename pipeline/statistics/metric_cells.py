"""The metrics of one method on one OOD set, each with its interval."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from pipeline.statistics.bootstrap import percentile_interval
from pipeline.statistics.delong import delong_interval
from pipeline.statistics.metrics import all_metrics
from pipeline.statistics.unmoved_metrics import no_surer_than_perfect, unmoved_interval


def metric_cells(
    pair: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    replicates: Mapping[str, Float[np.ndarray, " b"]],
    *,
    tpr: float,
    level: float,
) -> dict[str, dict[str, float]]:
    """Each metric with its percentile interval, and DeLong's for the AUROC.

    Where no resample changes a metric (perfect or constant scores), percentiles would claim
    certainty: there the interval is a bound that counts the images, for the AUROC DeLong's. No
    interval is surer than that of perfect scores, and each holds its value.

    Args:
        pair: ID scores and OOD scores.
        replicates: Of each metric, see `bootstrap`.
        tpr: Share of the ID images that a threshold accepts.
        level: Of the intervals.

    Returns:
        ``value``, ``low`` and ``high`` by metric; for the AUROC ``delong_low`` and ``delong_high``
        too.
    """
    cells = {}
    sizes = {"n_id": len(pair[0]), "n_ood": len(pair[1])}
    delong = delong_interval(*pair, level=level)
    for name, value in all_metrics(*pair, tpr=tpr).items():
        low, high = percentile_interval(replicates[name], level=level)
        if low == high and name == "auroc":
            low, high = delong
        elif low == high == value:
            low, high = unmoved_interval(name, value, **sizes, level=level)
        else:
            ends = low, high
            low, high = no_surer_than_perfect(name, ends, **sizes, level=level)
        cells[name] = {"value": value, "low": min(low, value), "high": max(high, value)}
    cells["auroc"] |= {"delong_low": delong[0], "delong_high": delong[1]}
    return cells
