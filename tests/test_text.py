"""Class embeddings: normalise, mean over prompts, normalise."""

import numpy as np
import pytest

from pipeline.language.text import class_embeddings, word_embeddings

VECTORS = {
    "a cat": [2.0, 0.0, 0.0],  # lengths differ: only directions may count
    "many cat": [0.0, 10.0, 0.0],
    "a dog": [0.0, 0.0, 0.1],
    "many dog": [0.0, 0.0, 7.0],
}


def encode(texts):
    return np.array([VECTORS[text] for text in texts], dtype=np.float32)


def test_mean_direction_by_hand():
    """The two cat sentences are at right angles, so the class lies between them."""
    found = class_embeddings(encode, ["cat", "dog"], ["a {c}", "many {c}"])

    np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5, 0], [0, 0, 1]], atol=1e-7)
    assert found.dtype == np.float32


def test_many_classes_come_in_several_calls(monkeypatch):
    """Splitting the texts changes nothing, and no call exceeds the bound."""
    monkeypatch.setattr("pipeline.language.text.TEXTS_AT_ONCE", 6)
    sizes = []

    def hashed(texts):
        sizes.append(len(texts))
        seeds = [sum(map(ord, text)) for text in texts]
        return np.stack([np.random.default_rng(s).normal(size=5) for s in seeds])

    names = [f"class {i}" for i in range(7)]
    found = class_embeddings(hashed, names, ["a {c}", "the {c}"])
    alone = [class_embeddings(hashed, [name, "x"], ["a {c}", "the {c}"])[0] for name in names]

    np.testing.assert_allclose(found, alone, atol=1e-7)
    assert max(sizes) <= 6


def test_words_are_encoded_in_one_sentence_each():
    found = word_embeddings(encode, ["cat", "dog"], prompt="many {c}")

    np.testing.assert_allclose(found, [[0, 1, 0], [0, 0, 1]], atol=1e-7)


@pytest.mark.parametrize(
    ("names", "prompts", "message"),
    [
        (["cat"], ["a {c}"], "at least two classes"),
        (["cat", "dog"], [], "at least one prompt"),
    ],
)
def test_too_little_is_refused(names, prompts, message):
    with pytest.raises(ValueError, match=message):
        class_embeddings(encode, names, prompts)


def test_a_tower_that_returns_nan_is_refused():
    with pytest.raises(ValueError, match="row 0"):
        class_embeddings(
            lambda texts: np.full((len(texts), 3), np.nan, np.float32), ["cat", "dog"], ["a {c}"]
        )
