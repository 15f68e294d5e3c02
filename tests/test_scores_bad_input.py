"""What no score can be of is an error of each page's function, never a number."""

import numpy as np
import pytest

from pipeline.detectors.gaussians import ClassGaussians
from pipeline.detectors.subspace import ResidualSpace
from pipeline.geometry import unit_norm
from pipeline.scores.energy import energy_scores
from pipeline.scores.entropy import entropy_scores, minus_log_entropy
from pipeline.scores.fused import fused_scores
from pipeline.scores.gen import gen_scores, minus_log_gen
from pipeline.scores.kl_matching import kl_matching_scores
from pipeline.scores.mahalanobis import mahalanobis_scores
from pipeline.scores.max_cosine import max_cosine_scores
from pipeline.scores.max_logit import max_logit_scores
from pipeline.scores.mcm import mcm_log_odds, mcm_scores
from pipeline.scores.msp import msp_log_odds, msp_scores
from pipeline.scores.neglabel import neglabel_log_odds, neglabel_scores
from pipeline.scores.nnguide import nnguide_scores
from pipeline.scores.react import react_scores
from pipeline.scores.relative_mahalanobis import relative_mahalanobis_scores
from pipeline.scores.residual import residual_scores
from pipeline.scores.vim import vim_scores
from pipeline.training.heads import Probe

ROWS = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
UNITS = unit_norm(ROWS[:6])
GAUSSIANS, _ = ClassGaussians.fit(ROWS, np.arange(60) % 3)
SPACE = ResidualSpace.fit(ROWS, dimension=2)
HEAD = Probe(ROWS[:3], np.zeros(3, np.float32), np.zeros(4, np.float32), np.ones(4, np.float32))
OF = {
    **{
        function.__name__: function
        for function in (
            energy_scores, entropy_scores, minus_log_entropy, gen_scores, minus_log_gen,
            max_logit_scores, msp_scores, msp_log_odds,
        )
    },
    "fused": lambda rows: fused_scores([ROWS[: len(rows)], rows]),
    "kl_matching": lambda rows: kl_matching_scores(rows, np.full((2, 4), 0.25)),
    "mahalanobis": lambda rows: mahalanobis_scores(rows, GAUSSIANS),
    "max_cosine": lambda rows: max_cosine_scores(rows, UNITS),
    "mcm": lambda rows: mcm_scores(rows, UNITS),
    "mcm_log_odds": lambda rows: mcm_log_odds(rows, UNITS),
    "neglabel": lambda rows: neglabel_scores(rows, UNITS, UNITS, groups=2),
    "neglabel_log_odds": lambda rows: neglabel_log_odds(rows, UNITS, UNITS, groups=2),
    "nnguide": lambda rows: nnguide_scores(rows, np.ones((len(rows), 2))),
    "react": lambda rows: react_scores(rows, HEAD, threshold=1.0),
    "relative_mahalanobis": lambda rows: relative_mahalanobis_scores(rows, GAUSSIANS),
    "residual": lambda rows: residual_scores(rows, SPACE),
    "vim": lambda rows: vim_scores(rows, np.ones(len(rows)), scale=1.0),
}  # fmt: skip


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", OF)
def test_a_row_that_is_not_finite_is_named(name, bad):
    """Also where a clip would make a number of infinity, and a draw of words one of NaN."""
    rows = ROWS[:5].copy()
    assert np.isfinite(OF[name](rows)).all()
    rows[3, 1] = bad
    with pytest.raises(ValueError, match="must be finite, but row 3 holds NaN or infinity; remove"):
        OF[name](rows)


def test_a_row_without_a_direction_has_no_cosine():
    rows = UNITS * np.array([1, 0, 1, 1, 1, 1], np.float32)[:, None]
    with pytest.raises(ValueError, match="must have a direction, but row 1 is zero"):
        max_cosine_scores(rows, UNITS)


def test_a_fusion_is_of_one_head_or_more_on_the_same_images_and_classes():
    np.testing.assert_allclose(fused_scores([ROWS]), msp_log_odds(ROWS), rtol=1e-6)
    for heads in ([], [ROWS, ROWS[:, :3]], [ROWS, ROWS[:7]]):
        with pytest.raises(ValueError, match=r"fused heads must be .* got logits of the shapes \["):
            fused_scores(heads)
