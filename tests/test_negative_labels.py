import numpy as np
import pytest

from pipeline.geometry import unit_norm
from pipeline.language.negative_labels import candidate_words, mine_negatives

TOKENS = [
    "!",
    "a",
    "th",
    "the</w>",
    "cat</w>",
    "Dog</w>",
    "owl</w>",
    "ab</w>",
    "a1c</w>",
    "the</w>",
]


def test_whole_words_that_are_no_class():
    assert candidate_words(TOKENS, ["snowy_Owl", "CAT"]) == ["the", "Dog"]


def test_a_limit_spreads_over_the_vocabulary():
    tokens = [f"w{letter}x</w>" for letter in "abcdefghij"]
    assert candidate_words(tokens, [], limit=3) == ["wax", "wdx", "wgx"]
    assert len(candidate_words(tokens, [], limit=99)) == 10


def test_the_farthest_words_come_first():
    """One class to the east; words at 0, 60, 90 and 180 degrees."""
    angles = np.radians([90, 0, 180, 60])
    words = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert list(mine_negatives(words, np.array([[1.0, 0.0]]), share=0.75)) == [2, 0, 3]


def test_agrees_with_the_definition():
    rng = np.random.default_rng(0)
    words, classes = (unit_norm(rng.standard_normal((n, 6))) for n in (200, 40))
    distance = [np.percentile([-word @ c for c in classes], 5) for word in words]

    mined = mine_negatives(words, classes, share=0.1)

    np.testing.assert_array_equal(mined, np.argsort(distance)[::-1][:20])


def test_refusals():
    one = np.ones((1, 2))
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\], got 0.0"):
        mine_negatives(one, one, share=0.0)
    with pytest.raises(ValueError, match="mining needs candidate words"):
        mine_negatives(one[:0], one)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        candidate_words(TOKENS, [], limit=0)
