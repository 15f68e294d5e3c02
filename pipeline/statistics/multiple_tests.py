"""Correction of p-values that are read together."""

import numpy as np
from jaxtyping import Float


def holm(p_values: Float[np.ndarray, " h"]) -> Float[np.ndarray, " h"]:
    """Adjust p-values by Holm's step-down rule (Scandinavian Journal of Statistics 1979).

    Rejecting every hypothesis whose adjusted value is at most alpha keeps the chance of any
    false rejection in the family at most alpha, whatever the dependence between the tests.

    Args:
        p_values: One p-value a hypothesis, in any order.

    Returns:
        Adjusted p-values in the same order, at most 1, ordered as the p-values are.

    Raises:
        ValueError: If a p-value is not between 0 and 1.
    """
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"p-values must be between 0 and 1, got {p_values.tolist()}")
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))  # h for the smallest, then h - 1, …
    stepped = np.maximum.accumulate(p_values[order] * factors)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
