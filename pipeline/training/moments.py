"""Mean and deviation of every dimension, over blocks of rows."""

import numpy as np
from jaxtyping import Float, Float32, Float64

from pipeline.geometry import check_finite

EPSILON = 1e-6  # a deviation below this share of the mean's size is rounding
PIECE = 256  # rows widened to float64 at a time


class Moments:
    """Accumulates blocks of rows in float64; the result does not depend on memory."""

    def __init__(self) -> None:
        """Start with no rows."""
        self.count = 0
        self._mean: np.ndarray = np.float64(0)  # type: ignore[assignment]
        self._squares: np.ndarray = np.float64(0)  # type: ignore[assignment]

    def add(self, block: Float[np.ndarray, "b d"]) -> None:
        """Take in rows, by the update of Chan, Golub and LeVeque (1983), which does not cancel.

        Raises:
            ValueError: If a value is not finite.
        """
        check_finite(block, "training features", start=self.count)
        for start in range(0, len(block), PIECE):
            self._add(block[start : start + PIECE].astype(np.float64))

    def _add(self, values: Float64[np.ndarray, "b d"]) -> None:
        here = values.mean(axis=0)
        apart = here - self._mean
        total = self.count + len(values)
        between = apart**2 * (self.count * len(values) / total)
        values -= here
        self._squares = self._squares + np.square(values, out=values).sum(axis=0) + between
        self._mean = self._mean + apart * (len(values) / total)
        self.count = total

    def mean_and_std(self) -> tuple[Float32[np.ndarray, " d"], Float32[np.ndarray, " d"]]:
        """Return the mean and the population deviation of each dimension.

        The deviation of a constant dimension (at most `EPSILON` times its mean's size, or next to
        nothing beside the largest value) is given as 1: nothing can be learned from it, and
        dividing would turn rounding into signal. What is small counts beside the other dimensions,
        so that features of any scale are learned from.

        Raises:
            ValueError: If there were no rows.
        """
        if self.count == 0:
            raise ValueError("a probe needs training rows, got none")
        std = np.sqrt(self._squares / self.count)
        sizes = np.hypot(self._mean, std)
        constant = std <= EPSILON * np.maximum(np.abs(self._mean), EPSILON * sizes.max())
        return self._mean.astype(np.float32), np.where(constant, 1.0, std).astype(np.float32)
