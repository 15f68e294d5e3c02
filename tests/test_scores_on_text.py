import numpy as np
import pytest
from scipy.special import softmax

from pipeline.geometry import unit_norm
from pipeline.scores.max_cosine import max_cosine_scores
from pipeline.scores.mcm import mcm_log_odds, mcm_scores
from pipeline.scores.neglabel import neglabel_log_odds, neglabel_scores

EAST_NORTH = np.eye(2, dtype=np.float32)


def units(n, d=16, seed=0):
    return unit_norm(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def test_by_hand():
    """Classes east and north; images east and south-west; the negative word is south-west."""
    images = unit_norm(np.array([[1, 0], [-1, -1]], np.float32))
    e, r = np.e, np.exp(-np.sqrt(0.5))
    np.testing.assert_allclose(max_cosine_scores(images, EAST_NORTH), [1, -np.sqrt(0.5)], rtol=1e-6)
    np.testing.assert_allclose(mcm_scores(images, EAST_NORTH), [e / (e + 1), 0.5], rtol=1e-6)
    scores = neglabel_scores(images, EAST_NORTH, images[1:], temperature=1.0, groups=1)
    np.testing.assert_allclose(scores, [(e + 1) / (e + 1 + r), 2 * r / (2 * r + e)], rtol=1e-6)
    odds = neglabel_log_odds(images, EAST_NORTH, images[1:], temperature=1.0, groups=1)
    np.testing.assert_allclose(np.exp(odds), [(e + 1) / r, 2 * r / e], rtol=1e-6)


def test_mcm_agrees_with_the_definition():
    images, classes = units(30), units(10, seed=1)
    for temperature in (1.0, 0.01):
        expected = softmax(images @ classes.T / temperature, axis=1).max(axis=1)
        scores = mcm_scores(images, classes, temperature=temperature)
        np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_mcm_in_the_tables_ranks_as_the_papers_probability():
    images, classes = units(40), units(10, seed=1)
    for temperature in (1.0, 0.1):
        probability = mcm_scores(images, classes, temperature=temperature)
        odds = mcm_log_odds(images, classes, temperature=temperature)
        np.testing.assert_allclose(1 / (1 + np.exp(-odds)), probability, rtol=1e-9)
        np.testing.assert_array_equal(np.argsort(odds), np.argsort(probability))


@pytest.mark.parametrize("temperature", [1.0, 0.01, 0.001])
def test_mcm_does_not_tie_where_the_probability_is_one(temperature):
    """Images that turn from one class to half-way to the next; at 0.001 a lead of 0.04 is 1.0."""
    angles = np.linspace(0, np.pi / 4, 400)
    images = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    odds = mcm_log_odds(images, EAST_NORTH.astype(np.float64), temperature=temperature)
    assert (np.diff(odds) < 0).all()
    leads = np.cos(angles) - np.sin(angles)
    np.testing.assert_allclose(odds, leads / temperature, rtol=1e-12, atol=1e-12)


def test_mcm_keeps_images_apart():
    """At temperature 1 and 1000 classes all probabilities are near 0.001; half precision ties."""
    scores = mcm_scores(units(5000, 64), units(1000, 64, seed=1))
    assert len(np.unique(scores)) > 4950
    assert len(np.unique(scores.astype(np.float16))) < 500


def test_neglabel_agrees_with_the_definition():
    """23 words in 4 groups of 5, dealt by the seed; the last three mined are left over."""
    images, classes, words = units(20), units(5, seed=1), units(23, seed=2)
    shares = []
    for group in words[np.random.default_rng(0).permutation(20)].reshape(4, 5, 16):
        probabilities = softmax(images @ np.concatenate([classes, group]).T / 0.1, axis=1)
        shares.append(probabilities[:, :5].sum(axis=1))
    scores = neglabel_scores(images, classes, words, temperature=0.1, groups=4)
    np.testing.assert_allclose(scores, np.mean(shares, axis=0), rtol=1e-5)


def test_the_seed_of_neglabel_deals_the_groups():
    """One group of all words is the same for every seed."""
    images, classes, words = units(20), units(5, seed=1), units(60, seed=2)
    mined = words[np.argsort((words @ classes.T).max(axis=1))]
    first, second = (neglabel_scores(images, classes, mined, groups=6, seed=s) for s in (0, 1))
    again = neglabel_scores(images, classes, mined, groups=6)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, second)
    one_group = [neglabel_scores(images, classes, mined, groups=1, seed=s) for s in (0, 1)]
    np.testing.assert_allclose(*one_group, rtol=1e-6)


def test_neglabel_in_the_tables_ranks_as_the_papers_share():
    images, classes, words = units(40), units(5, seed=1), units(23, seed=2)
    share = neglabel_scores(images, classes, words, temperature=0.1, groups=4)
    odds = neglabel_log_odds(images, classes, words, temperature=0.1, groups=4)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), share, rtol=1e-9)
    np.testing.assert_array_equal(np.argsort(odds), np.argsort(share))


def test_neglabel_does_not_tie_where_the_share_is_one():
    """Images that turn from the class toward the word; at 0.01 a lead of 0.37 fills a float64."""
    angles = np.linspace(0, np.pi / 2, 400)
    images = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    words = unit_norm(np.array([[0.0, 1.0], [-0.5, 1.0]]))
    classes = EAST_NORTH[:1].astype(np.float64)
    share = neglabel_scores(images, classes, words, groups=2)
    odds = neglabel_log_odds(images, classes, words, groups=2)
    assert len(np.unique(share)) < 300
    assert (np.diff(odds) < 0).all()


def test_bad_parameters_are_refused():
    images = units(3)
    with pytest.raises(ValueError, match="temperature must be positive"):
        mcm_scores(images, images, temperature=-1.0)
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        mcm_scores(images, images[:1])
    with pytest.raises(
        ValueError, match="groups must be between 1 and the 3 negative words, got 4"
    ):
        neglabel_scores(images, images, images, groups=4)


def test_the_largest_cosine_of_close_images_does_not_lie_by_their_norms():
    """Around a common mean cosines differ by 1e-8, a float32 unit vector's norm from 1 by 6e-8."""
    rng = np.random.default_rng(0)
    raw = (1000 + rng.standard_normal((300, 24))).astype(np.float32)
    classes = unit_norm(1000 + rng.standard_normal((4, 24)))
    images = unit_norm(raw)
    exact = (unit_norm(raw.astype(np.float64)) @ classes.T).max(axis=1)

    scores = max_cosine_scores(images, classes)

    assert np.ptp(exact) < 2e-6
    np.testing.assert_allclose(1 - scores, 1 - exact, atol=3e-10)
