"""Softmax and log-sum-exp in float64, where confident heads do not saturate."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.geometry import check_finite


def as_logits(logits: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
    """Logits in float64.

    Raises:
        ValueError: If there are fewer than two classes or a value is not finite.
    """
    if logits.shape[1] < 2:
        raise ValueError(
            f"a score on logits needs at least two classes, got {logits.shape[1]}; "
            "use a score on features (knn, residual) for a single class"
        )
    check_finite(logits, "logits")
    return logits.astype(np.float64)


def log_sum_exp(values: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, " n"]:
    """log(sum(exp(values))) of each row, without overflow."""
    peak = values.max(axis=1)
    return peak + np.log(np.exp(values - peak[:, None]).sum(axis=1))


def log_softmax(values: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
    """Logarithms of the softmax probabilities of each row."""
    return values - log_sum_exp(values)[:, None]


def check_temperature(temperature: float) -> None:
    """Refuse temperatures that are not positive and finite."""
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be positive, got {temperature}")


def log_softmax_and_rest(
    values: Float64[np.ndarray, "n c"],
) -> tuple[Float64[np.ndarray, "n c"], Float64[np.ndarray, "n c"], Float64[np.ndarray, "n c"]]:
    """Logarithms of the probabilities p, of 1 - p, and of -log p, whatever the lead.

    Of the largest of each row all three come from what it leaves to the others, of which the
    logarithm is known where it is itself too small for a float64. The others are 1/2 at most.
    """
    rows, top = np.arange(len(values)), values.argmax(axis=1)
    logs = log_softmax(values)
    others = values.copy()
    others[rows, top] = -np.inf
    log_rest = log_sum_exp(others) - log_sum_exp(values)
    rest = np.exp(log_rest)
    logs[rows, top] = np.log1p(-rest)
    log_complements = np.log1p(-np.exp(np.minimum(logs, -np.log(2))))
    log_complements[rows, top] = log_rest
    with np.errstate(divide="ignore"):  # of a rest that vanished
        surprise = np.log(-logs)
    surprise[rows, top] = np.where(rest < 1e-12, log_rest, surprise[rows, top])
    return logs, log_complements, surprise
