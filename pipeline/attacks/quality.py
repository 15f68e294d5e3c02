"""How far a crafted image is from its source: L2, L∞, PSNR and SSIM on [0, 1] pixels."""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter


def l2(image: Float[np.ndarray, "h w 3"], source: Float[np.ndarray, "h w 3"]) -> float:
    """Root of the summed squared differences over all pixels and channels."""
    return float(np.sqrt(np.square(image.astype(np.float64) - source).sum()))


def linf(image: Float[np.ndarray, "h w 3"], source: Float[np.ndarray, "h w 3"]) -> float:
    """Largest difference of one channel of one pixel."""
    return float(np.abs(image.astype(np.float64) - source).max())


def psnr(image: Float[np.ndarray, "h w 3"], source: Float[np.ndarray, "h w 3"]) -> float:
    """Peak signal-to-noise ratio in dB, peak 1; infinite for equal images."""
    error = float(np.mean(np.square(image.astype(np.float64) - source)))
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def ssim(image: Float[np.ndarray, "h w 3"], source: Float[np.ndarray, "h w 3"]) -> float:
    """Structural similarity, mean over pixels and channels, 1 for equal images.

    Wang et al. (IEEE TIP 2004) with their constants: Gaussian window of standard deviation 1.5
    cut to 11 pixels, K1 = 0.01, K2 = 0.03, data range 1, population moments. Borders whose window
    leaves the image are left out.

    Raises:
        ValueError: If the image is smaller than the window.
    """
    if min(image.shape[:2]) < 11:
        raise ValueError(f"SSIM needs images of at least 11 × 11 pixels, got {image.shape[:2]}")
    x, y = image.astype(np.float64), source.astype(np.float64)

    def blur(values: np.ndarray) -> np.ndarray:
        window = gaussian_filter(values, sigma=(1.5, 1.5, 0), radius=(5, 5, 0))
        return window[5:-5, 5:-5]

    mean_x, mean_y = blur(x), blur(y)
    variance_x = blur(x * x) - mean_x**2
    variance_y = blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return float(similarity.mean())
