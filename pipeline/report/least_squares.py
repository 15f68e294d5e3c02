"""The straight line through a few points and how much of their spread it explains."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True)
class Line:
    """A least-squares line ``y = intercept + slope * x`` with its R²."""

    slope: float
    intercept: float
    r_squared: float


def least_squares_line(x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " n"]) -> Line | None:
    """Fit the line that the accuracy scatter draws; the claims table holds R² with its interval.

    Returns:
        The line, or nothing for fewer than three points or points with one x or one y: two points
        always lie on a line, so an R² of one would say nothing.
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    slope = np.cov(x, y)[0, 1] / np.var(x, ddof=1)
    correlation = np.corrcoef(x, y)[0, 1]
    return Line(float(slope), float(np.mean(y) - slope * np.mean(x)), float(correlation**2))
