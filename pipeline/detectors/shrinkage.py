"""Covariances that can be inverted: exact where the data allow it, shrunk or refused elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

SHRINKAGE = ("auto", "none", "ledoit_wolf", "oas")
LARGEST_CONDITION = 1e11  # float64 distances keep five digits up to here
ROWS_A_DIMENSION = 10  # from here on ``auto`` leaves an estimate as it is


@dataclass(frozen=True)
class Covariance:
    """A positive definite covariance and how it was made so."""

    matrix: Float64[np.ndarray, "d d"]
    shrinkage: str
    intensity: float  # share of the scaled identity mixed in
    condition: float  # largest over smallest eigenvalue, after shrinking
    condition_before: float  # the same of the plain estimate; infinite where singular
    lost: int  # directions whose plain variance is none, or no more than rounding


def invertible(
    matrix: Float64[np.ndarray, "d d"],
    *,
    n: int,
    freedom: int,
    fourth_moment: Callable[[], float],
    shrinkage: str,
    what: str,
    rounding: Float64[np.ndarray, "d d"] | None = None,
) -> Covariance:
    """Shrink the maximum-likelihood covariance of n centred rows towards a scaled identity.

    Ledoit-Wolf (J. Multivariate Analysis 88, 2004) and OAS (Chen, Wiesel, Eldar & Hero, IEEE
    Trans. Signal Processing 2010, arXiv:0907.4698), as in scikit-learn with centred data.
    ``auto`` keeps a well-conditioned estimate from ten rows a dimension on and takes Ledoit-Wolf
    otherwise. From f rows around their own means, d dimensions of one variance are estimated at
    (1 - sqrt(d/f))^2 to (1 + sqrt(d/f))^2 of it (Marchenko & Pastur, Math. USSR Sbornik 1, 1967),
    and the inverse comes out 1 / (1 - d/f) times too large (Haff, J. Multivariate Analysis 9,
    1979): 0.47 to 1.73 and 1.11 at ten rows a dimension. As f falls towards d the smallest
    variances fall to nothing, distances of new images are those along a few directions of noise,
    and yet the condition number looks harmless. Nor does it show that directions in which the rows
    do not vary were filled by the rounding of a float16 store, which an inverse would blow up.

    Args:
        matrix: Mean of x x' over the centred rows.
        n: How many rows.
        freedom: How many less the means that they were centred by.
        fourth_moment: Computes the mean of |x|^4 over the centred rows; only Ledoit-Wolf asks.
        shrinkage: One of `SHRINKAGE`.
        what: Named in errors.
        rounding: Covariance that rounding may have put into the rows; None for none.

    Raises:
        ValueError: If ``none`` meets an estimate that is singular, badly conditioned or in some
            direction no more than rounding, if the rows have no spread at all, or if the shrinkage
            is unknown.
    """
    if shrinkage not in SHRINKAGE:
        raise ValueError(f"unknown shrinkage {shrinkage!r}; known: {', '.join(SHRINKAGE)}")
    d = len(matrix)
    if not np.trace(matrix) > 0:
        raise ValueError(f"{what} has no spread: every row equals its centre; use more images")
    eigenvalues = np.linalg.eigvalsh(matrix)
    before = _condition(eigenvalues)
    lost = _lost(matrix, eigenvalues, rounding)
    if shrinkage == "none" and before > LARGEST_CONDITION:
        raise ValueError(
            f"{what}, estimated from {n} rows in {d} dimensions, must have a condition number up "
            f"to {LARGEST_CONDITION:.0e}, got {before:.1e}; use more rows than dimensions, or "
            "shrinkage ledoit_wolf, oas or auto"
        )
    if shrinkage == "none" and lost:
        raise ValueError(
            f"{what} must be larger in every direction than the rounding of the stored values, but "
            f"{lost} of {d} directions vary no more than that; use shrinkage ledoit_wolf, oas or "
            "auto"
        )
    if shrinkage == "auto":
        enough = freedom >= ROWS_A_DIMENSION * d and before <= LARGEST_CONDITION and not lost
        shrinkage = "none" if enough else "ledoit_wolf"
    shrunk, intensity = shrink(matrix, n=n, fourth_moment=fourth_moment, shrinkage=shrinkage)
    mean_variance = np.trace(matrix) / d
    after = _condition((1 - intensity) * eigenvalues + intensity * mean_variance)
    if after > LARGEST_CONDITION:
        raise ValueError(
            f"{what} stays singular under {shrinkage} (condition number {after:.1e}): its rows "
            "are all but equal; use more, and more varied, images"
        )
    return Covariance(shrunk, shrinkage, intensity, after, before, lost)


def shrink(
    matrix: Float64[np.ndarray, "d d"],
    *,
    n: int,
    fourth_moment: Callable[[], float],
    shrinkage: str,
) -> tuple[Float64[np.ndarray, "d d"], float]:
    """Mix a covariance with a scaled identity of the same trace; see `invertible`.

    Returns:
        The mixture, and the share of the identity in it.
    """
    if shrinkage == "ledoit_wolf":
        intensity = ledoit_wolf_intensity(matrix, n=n, fourth_moment=fourth_moment())
    else:
        intensity = oas_intensity(matrix, n=n) if shrinkage == "oas" else 0.0
    return mixed(matrix, intensity), intensity


def mixed(matrix: Float64[np.ndarray, "d d"], intensity: float) -> Float64[np.ndarray, "d d"]:
    """Mix a covariance with a share of the scaled identity of the same trace."""
    shrunk = (1 - intensity) * matrix
    shrunk[np.diag_indices(len(matrix))] += intensity * np.trace(matrix) / len(matrix)
    return shrunk


def ledoit_wolf_intensity(
    matrix: Float64[np.ndarray, "d d"], *, n: int, fourth_moment: float
) -> float:
    """The share of identity that minimises the expected squared error, estimated from the rows."""
    d = len(matrix)
    mean_variance = np.trace(matrix) / d
    noise = (fourth_moment - np.sum(matrix**2)) / (n * d)  # of the estimate's entries
    spread = np.sum(matrix**2) / d - mean_variance**2  # of the eigenvalues
    return 0.0 if noise <= 0 else float(min(noise, spread) / spread) if spread > 0 else 1.0


def oas_intensity(matrix: Float64[np.ndarray, "d d"], *, n: int) -> float:
    """The oracle-approximating share of identity for Gaussian rows."""
    d = len(matrix)
    mean_variance = np.trace(matrix) / d
    mean_square = np.mean(matrix**2)
    spread = (n + 1) * (mean_square - mean_variance**2 / d)
    return 1.0 if spread <= 0 else float(min((mean_square + mean_variance**2) / spread, 1.0))


def _condition(eigenvalues: Float64[np.ndarray, " d"]) -> float:
    smallest, largest = eigenvalues[0], eigenvalues[-1]
    return float("inf") if smallest <= _zero(eigenvalues) else float(largest / smallest)


def _zero(eigenvalues: Float64[np.ndarray, " d"]) -> float:
    """Up to where a variance computed in float64 may be none."""
    return float(eigenvalues[-1] * len(eigenvalues) * np.finfo(np.float64).eps)


def _lost(
    matrix: Float64[np.ndarray, "d d"],
    eigenvalues: Float64[np.ndarray, " d"],
    rounding: Float64[np.ndarray, "d d"] | None,
) -> int:
    """How many directions are left without variance once that of rounding is taken off."""
    left = eigenvalues if rounding is None else np.linalg.eigvalsh(matrix - rounding)
    return int(np.count_nonzero(left <= _zero(eigenvalues)))
