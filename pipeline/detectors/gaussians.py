"""Class Gaussians with one shared covariance, and the Mahalanobis scores they give."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64
from scipy.linalg import solve_triangular
from scipy.sparse import csr_array

from pipeline.detectors.shrinkage import Covariance, invertible, shrink
from pipeline.geometry import check_finite

_BLOCK = 8192  # rows held in float64 at a time
_CANCELLED = 1e-3  # a smaller share of variance within classes is summed without subtraction


@dataclass(frozen=True)
class ClassGaussians:
    """Class means in coordinates where both covariances are simple.

    In the coordinates (x - centre) @ whitening the shared within-class covariance is the identity
    and the covariance of all rows around their mean is diagonal. So the Mahalanobis distance of
    Lee et al. (NeurIPS 2018, arXiv:1807.03888) is the Euclidean one, and the distance under one
    global Gaussian, which relative Mahalanobis subtracts (Ren et al., 2021, arXiv:2106.09022),
    divides by ``global_variances``. One matrix product serves both.
    """

    centre: Float64[np.ndarray, " d"]
    whitening: Float64[np.ndarray, "d d"]
    means: Float64[np.ndarray, "c d"]
    global_variances: Float64[np.ndarray, " d"]
    classes: Int64[np.ndarray, " c"]

    @classmethod
    def fit(
        cls,
        features: Float[np.ndarray, "n d"],
        labels: Int[np.ndarray, " n"],
        *,
        shrinkage: str = "auto",
    ) -> tuple["ClassGaussians", Covariance]:
        """Estimate means and covariances by maximum likelihood, in float64.

        Returns:
            The Gaussians, and the shared covariance with its condition number.

        Raises:
            ValueError: If rows are not finite, a class has a single row, or the covariance cannot
                be inverted under the shrinkage asked for.
        """
        check_finite(features, "features")
        classes, rows, counts = np.unique(labels, return_inverse=True, return_counts=True)
        if (counts < 2).any():
            raise ValueError(
                f"each class must have at least two rows, but class {classes[counts.argmin()]} has "
                "one; add images or leave the class out"
            )
        shift = features[:: -(-len(features) // _BLOCK)].mean(axis=0, dtype=np.float64)
        sums, gram = _moments(features, rows, len(classes), shift)
        means = shift + sums / counts[:, None]
        centre = counts @ means / len(features)
        within = (gram - (sums.T / counts) @ sums) / len(features)
        if np.trace(within) < _CANCELLED * np.trace(gram) / len(features):
            within = _centred_gram(features, rows, means) / len(features)
        shared = invertible(
            within,
            n=len(features),
            fourth_moment=lambda: _fourth_moment(features, rows, means),
            shrinkage=shrinkage,
            what="the covariance within classes",
        )
        between = (means - centre).T * (counts / len(features)) @ (means - centre)
        overall, _ = shrink(
            within + between,
            n=len(features),
            fourth_moment=lambda: _fourth_moment(features, np.zeros_like(rows), centre[None]),
            shrinkage=shared.shrinkage,
        )
        lower = np.linalg.cholesky(shared.matrix)
        half = solve_triangular(lower, overall, lower=True)
        whitened = solve_triangular(lower, half.T, lower=True)
        variances, axes = np.linalg.eigh((whitened + whitened.T) / 2)
        whitening = solve_triangular(lower, axes, lower=True, trans=1)
        gaussians = cls(
            centre, whitening, (means - centre) @ whitening, variances, classes.astype(np.int64)
        )
        return gaussians, shared

    def distances(
        self, queries: Float[np.ndarray, "n d"]
    ) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Squared distances to the nearest class mean, and to the centre under the global one."""
        check_finite(queries, "queries")
        nearest = np.empty(len(queries))
        overall = np.empty(len(queries))
        for start in range(0, len(queries), _BLOCK):
            part = slice(start, start + _BLOCK)
            white = (queries[part].astype(np.float64) - self.centre) @ self.whitening
            squares = white**2
            # |z - m|^2 = |z|^2 - (2 z.m - |m|^2): smallest where the bracket is largest
            bracket = white @ (2 * self.means.T) - np.sum(self.means**2, axis=1)
            nearest[part] = np.maximum(squares.sum(axis=1) - bracket.max(axis=1), 0)
            overall[part] = squares @ (1 / self.global_variances)
        return nearest, overall


def class_sums(
    features: Float[np.ndarray, "n d"], rows: Int[np.ndarray, " n"], classes: int
) -> Float64[np.ndarray, "c d"]:
    """Sum of the rows of each class 0 .. classes-1, in float64."""
    sums = np.zeros((classes, features.shape[1]))
    for start, block in _float64_blocks(features):
        sums += _one_hot(rows[start : start + len(block)], classes) @ block
    return sums


def _moments(
    features: np.ndarray, rows: np.ndarray, classes: int, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums by class of y = x - shift, and the sum of y y', in one pass."""
    sums = np.zeros((classes, features.shape[1]))
    gram = np.zeros((features.shape[1], features.shape[1]))
    product = np.empty_like(gram)
    for start, block in _float64_blocks(features, shift):
        sums += _one_hot(rows[start : start + len(block)], classes) @ block
        gram += np.matmul(block.T, block, out=product)
    return sums, gram


def _centred_gram(features: np.ndarray, rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Sum of y y' over y = x - its class mean: exact also where classes lie far apart."""
    gram = np.zeros((features.shape[1], features.shape[1]))
    for start, block in _float64_blocks(features):
        block -= means[rows[start : start + len(block)]]
        gram += block.T @ block
    return gram


def _fourth_moment(features: np.ndarray, rows: np.ndarray, means: np.ndarray) -> float:
    """Mean of |y|^4 over y = x - its class mean."""
    total = 0.0
    for start, block in _float64_blocks(features):
        block -= means[rows[start : start + len(block)]]
        total += float(np.sum(np.einsum("nd,nd->n", block, block) ** 2))
    return total / len(features)


def _one_hot(rows: np.ndarray, classes: int) -> csr_array:
    return csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), (classes, len(rows)))


def _float64_blocks(
    features: np.ndarray, shift: float | np.ndarray = 0.0
) -> Iterator[tuple[int, np.ndarray]]:
    """First row and rows - shift of each block, in one buffer: fresh pages cost time."""
    buffer = np.empty((min(_BLOCK, len(features)), features.shape[1]))
    for start in range(0, len(features), _BLOCK):
        block = features[start : start + _BLOCK]
        yield start, np.subtract(block, shift, out=buffer[: len(block)], dtype=np.float64)
