"""Negative labels of the text store."""

import numpy as np
import pytest

from pipeline.language.text_negatives import negative_labels, word_list
from pipeline.language.text_params import TextParams

DIRECTIONS = {"near": [1.0, 0.1], "far": [-1.0, 0.0], "aside": [0.0, 5.0]}


def encode(texts):
    return np.array([DIRECTIONS[text] for text in texts], dtype=np.float32)


def test_the_farthest_words_come_first(tmp_path):
    """The class looks east; half of four words (one of them the class itself) is kept."""
    path = tmp_path / "words.txt"
    path.write_text("# mine\nnear\n\nfar\nCat\naside\nfar\n", encoding="utf-8")
    params = TextParams(
        negative_words=str(path), negative_share=2 / 3, negative_prompt="{c}", negative_candidates=9
    )
    classes = np.array([[1, 0]], np.float32)

    vectors, words = negative_labels(encode, ["cat"], classes, params=params)

    assert words == ["far", "aside"]
    np.testing.assert_allclose(vectors, [[-1, 0], [0, 1]])


def test_an_unknown_list_is_refused():
    with pytest.raises(ValueError, match="unknown list of negative words 'wordnet'"):
        word_list("wordnet", ["cat"], limit=None)


def test_a_file_without_words_is_refused(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("cat\n", encoding="utf-8")

    with pytest.raises(ValueError, match="holds no word"):
        word_list(str(path), ["Cat"], limit=None)
