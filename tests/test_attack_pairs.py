"""Pairs are drawn without replacement, by the seed alone."""

import numpy as np
import pytest

from pipeline.attacks.pairs import draw_sources, draw_targets, initial_noise


def test_nobody_is_drawn_twice():
    sources, targets = draw_sources(30, pairs=30, seed=1), draw_targets(50, pairs=30, seed=1)
    assert sorted(sources) == list(range(30)) == list(sources)
    assert len(set(targets)) == 30
    assert targets.max() < 50
    assert list(targets) != sorted(targets)


def test_the_draw_depends_on_the_seed():
    first, again, other = (draw_targets(50, pairs=10, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_more_pairs_than_images_are_refused():
    with pytest.raises(
        ValueError, match=r"at most 5, the images of mine, .* got 6; set craft\.defaults\.pairs=5,"
    ):
        draw_sources(5, pairs=6, seed=0, dataset="mine")
    with pytest.raises(ValueError, match="at most 5, the images of the ID training set, .* got 6"):
        draw_targets(5, pairs=6, seed=0)
    with pytest.raises(ValueError, match="has no rows"):
        draw_targets(0, pairs=6, seed=0)


def test_noise_belongs_to_its_pair():
    one = initial_noise((3, 16, 16), pair=4, restart=0, seed=0, scale=1e-3)
    same = initial_noise((3, 16, 16), pair=4, restart=0, seed=0, scale=1e-3)
    other = initial_noise((3, 16, 16), pair=5, restart=0, seed=0, scale=1e-3)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.dtype == np.float32
    assert 0.8e-3 < one.std() < 1.2e-3
