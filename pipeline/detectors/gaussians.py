"""Class Gaussians with one shared covariance, and the Mahalanobis scores they give."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from pipeline.detectors.row_blocks import sum_blocks
from pipeline.detectors.rows import Rows, take_rows
from pipeline.detectors.shrinkage import Covariance, invertible, mixed
from pipeline.geometry import check_finite
from pipeline.products import row_products

_BLOCK = 8192  # queries held in float64 at a time
_SAMPLE = 2048  # rows whose mean is subtracted before squares are summed
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
        features: Float[Rows, "n d"],
        labels: Int[np.ndarray, " _"],
        *,
        shrinkage: str = "auto",
        rounding: Float64[np.ndarray, "d d"] | None = None,
    ) -> tuple["ClassGaussians", Covariance]:
        """Estimate means and covariances by maximum likelihood, in float64.

        Args:
            features: Rows of all classes, in memory or read block by block.
            labels: Class of each row; rows of a negative one stay out.
            shrinkage: See `pipeline.detectors.shrinkage.invertible`.
            rounding: Covariance that rounding may have put into the rows; None for none.

        Returns:
            The Gaussians, and the shared covariance with its condition number.

        Raises:
            ValueError: If labels are of another number than rows, rows are not finite, a class has
                a single row, or the covariance cannot be inverted under the shrinkage asked for.
        """
        from scipy.linalg import eigh  # late: scoring needs none of scipy

        if len(labels) != len(features):
            raise ValueError(
                f"each row needs a label, got {len(features)} rows and {len(labels)} labels; "
                "take both from one bank"
            )
        known = labels >= 0
        classes, counts = np.unique(labels[known], return_counts=True)
        if not len(classes):
            raise ValueError(
                "class Gaussians need labelled rows, but no label is 0 or above; use a bank with "
                "labels, or fit clusters (classes: kmeans)"
            )
        if (counts < 2).any():
            raise ValueError(
                f"each class must have at least two rows, but class {classes[counts.argmin()]} has "
                "one; add images or leave the class out"
            )
        rows = np.where(known, np.searchsorted(classes, labels), -1)
        n = int(counts.sum())
        shift = take_rows(features, np.arange(0, len(features), -(-len(features) // _SAMPLE)))
        with np.errstate(invalid="ignore"):  # infinities are named by the pass that follows
            shift = shift.mean(axis=0, dtype=np.float64)
        sums, gram = _moments(features, rows, len(classes), shift)
        means = shift + sums / counts[:, None]
        centre = counts @ means / n
        scaled = sums / np.sqrt(counts)[:, None]
        of_means = scaled.T @ scaled  # x' x costs half of x' y
        within = (gram - of_means) / n
        if np.trace(within) < _CANCELLED * np.trace(gram) / n:
            within = _centred_gram(features, rows, means) / n
        shared = invertible(
            within,
            n=n,
            freedom=n - len(classes),
            fourth_moment=lambda: _fourth_moment(features, rows, means),
            shrinkage=shrinkage,
            what="the covariance within classes",
            rounding=rounding,
        )
        between = of_means / n - np.outer(centre - shift, centre - shift)
        # By the same share: one of its own may leave the global variance below that within classes
        # in directions without rows, and a relative distance there would have the wrong sign.
        overall = mixed(within + between, shared.intensity)
        # whitening' shared whitening = 1, whitening' overall whitening = diag(variances)
        variances, whitening = eigh(overall, shared.matrix, driver="gvd")
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
            white = row_products(queries[part] - self.centre, self.whitening)
            # |z - m|^2 = |z|^2 - (2 z.m - |m|^2): smallest where the bracket is largest
            bracket = row_products(white, 2 * self.means.T) - np.sum(self.means**2, axis=1)
            overall[part] = np.sum(white**2 / self.global_variances, axis=1)
            white -= self.means[bracket.argmax(axis=1)]  # the difference above would cancel
            nearest[part] = np.einsum("nd,nd->n", white, white)
        return nearest, overall


def class_sums(
    features: Float[Rows, "n d"], rows: Int[np.ndarray, " n"], classes: int
) -> Float64[np.ndarray, "c d"]:
    """Sum of the rows of each class 0 .. classes-1, in float64."""
    return sum_blocks(features, lambda at, block: (one_hot(rows[at], classes) @ block,))[0]


def one_hot(rows: Int[np.ndarray, " n"], classes: int) -> Any:
    """Sparse [c n], 1 where a row is of a class: its product with rows is their sums by class."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), (classes, len(rows)))


def _moments(
    features: Rows, rows: np.ndarray, classes: int, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums by class of y = x - shift, and the sum of y y', in one pass."""
    return sum_blocks(
        features,
        lambda at, y: (one_hot(rows[at], classes) @ y, y.T @ y),
        shift=shift,
        where=rows >= 0,
    )


def _centred_gram(features: Rows, rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Sum of y y' over y = x - its class mean: exact also where classes lie far apart."""

    def gram(at: Any, block: np.ndarray) -> tuple[np.ndarray]:
        block -= means[rows[at]]
        return (block.T @ block,)

    return sum_blocks(features, gram, where=rows >= 0)[0]


def _fourth_moment(features: Rows, rows: np.ndarray, means: np.ndarray) -> float:
    """Mean of |y|^4 over y = x - its class mean."""
    inside = rows >= 0

    def fourth(at: Any, block: np.ndarray) -> tuple[float]:
        block -= means[rows[at]]
        return (float(np.sum(np.einsum("nd,nd->n", block, block) ** 2)),)

    return sum_blocks(features, fourth, where=inside)[0] / np.count_nonzero(inside)
