import numpy as np
import pytest

from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.zero_shot import joint_embeddings, zero_shot_logits

TEXT = {"class_embeddings": np.eye(2, dtype=np.float32)}


def test_logits_are_cosines_times_the_scale():
    """Classes east and north; an image of norm 5 whose cosines are 0.6 and 0.8."""
    logits = zero_shot_logits(np.array([[3, 4]], np.float32), TEXT, logit_scale=100.0)
    np.testing.assert_allclose(logits, [[60, 80]], rtol=1e-6)
    assert logits.dtype == np.float32


def test_features_before_the_projection_are_projected_first():
    """The projection swaps the axes and drops the third."""
    swap = {"projection": np.array([[0, 1], [1, 0], [0, 0]], np.float32)} | TEXT
    logits = zero_shot_logits(np.array([[3, 4, 12]], np.float32), swap, logit_scale=1.0)
    np.testing.assert_allclose(logits, [[0.8, 0.6]], rtol=1e-6)


def test_the_length_of_the_features_does_not_matter():
    rows = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    np.testing.assert_allclose(
        joint_embeddings(8 * rows, TEXT), joint_embeddings(rows, TEXT), rtol=1e-6
    )


def test_without_a_scale_there_are_no_logits():
    with pytest.raises(NotApplicableError, match="came without a logit scale"):
        zero_shot_logits(np.ones((1, 2), np.float32), TEXT, logit_scale=None)


def test_a_zero_row_is_refused():
    text = {"projection": np.eye(2, dtype=np.float32)} | TEXT
    with pytest.raises(ValueError, match="embeddings of features must have a direction, but row 1"):
        zero_shot_logits(np.array([[1, 0], [0, 0]], np.float32), text, logit_scale=1.0)
