"""Distances of a crafted image from its source."""

import numpy as np
import pytest

from pipeline.attacks.quality import l2, linf, psnr, ssim


def naive_ssim(x, y):
    """Wang et al.'s sum over one 11 by 11 Gaussian window at a time."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for channel in range(3):
        for i in range(x.shape[0] - 10):
            for j in range(x.shape[1] - 10):
                a, b = x[i : i + 11, j : j + 11, channel], y[i : i + 11, j : j + 11, channel]
                ma, mb = (window * a).sum(), (window * b).sum()
                va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
                cov = (window * (a - ma) * (b - mb)).sum()
                values.append(
                    (2 * ma * mb + 1e-4)
                    * (2 * cov + 9e-4)
                    / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
                )
    return np.mean(values)


def test_sizes_by_hand():
    source = np.zeros((2, 2, 3))
    image = source.copy()
    image[0, 0] = [0.3, 0.4, 0.0]
    assert l2(image, source) == pytest.approx(0.5)
    assert linf(image, source) == pytest.approx(0.4)
    assert psnr(image, source) == pytest.approx(-10 * np.log10(0.25 / 12))
    assert psnr(source, source) == float("inf")


def test_ssim_agrees_with_the_definition():
    rng = np.random.default_rng(0)
    x = rng.random((14, 13, 3))
    y = np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1)
    assert ssim(x, y) == pytest.approx(naive_ssim(x, y), abs=1e-10)
    assert ssim(x, x) == pytest.approx(1.0)
    assert ssim(x, y) < 1


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(ValueError, match="11 × 11"):
        ssim(np.zeros((8, 20, 3)), np.zeros((8, 20, 3)))
