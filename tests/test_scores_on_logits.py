import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from scipy.stats import entropy, rankdata

from pipeline.scores.energy import energy_scores
from pipeline.scores.entropy import entropy_scores, minus_log_entropy
from pipeline.scores.fused import fused_probabilities, fused_scores
from pipeline.scores.gen import gen_scores, minus_log_gen
from pipeline.scores.kl_matching import kl_matching_scores
from pipeline.scores.max_logit import max_logit_scores
from pipeline.scores.msp import msp_log_odds, msp_scores
from pipeline.scores.nnguide import nnguide_scores
from pipeline.scores.react import react_scores
from pipeline.scores.vim import vim_scores
from pipeline.training.heads import Probe

HALF = np.log([[3.0, 1.0], [1.0, 1.0]])  # softmax 3/4 and 1/4; and one half each
CONFIDENT = np.stack([np.linspace(20, 900, 500), np.zeros(500), np.ones(500)], axis=1)
UNSATURATED = [msp_log_odds, minus_log_entropy, minus_log_gen]
RANKING = [*UNSATURATED, entropy_scores, gen_scores]


def random_logits(n=50, c=7, scale=5.0, seed=0):
    return (scale * np.random.default_rng(seed).standard_normal((n, c))).astype(np.float32)


def test_by_hand():
    """A confident and an undecided image of two classes: pins sign and scale."""
    np.testing.assert_allclose(msp_scores(HALF), [0.75, 0.5])
    np.testing.assert_allclose(msp_log_odds(HALF), [np.log(3), 0], atol=1e-12)
    np.testing.assert_allclose(max_logit_scores(HALF), [np.log(3), 0])
    np.testing.assert_allclose(energy_scores(HALF), [np.log(4), np.log(2)])
    np.testing.assert_allclose(energy_scores(HALF, temperature=2.0)[1], 2 * np.log(2))
    np.testing.assert_allclose(entropy_scores(HALF)[1], -np.log(2))
    np.testing.assert_allclose(minus_log_entropy(HALF)[1], -np.log(np.log(2)))
    np.testing.assert_allclose(minus_log_gen(HALF, gamma=0.5)[0], -np.log(np.sqrt(3) / 2))
    np.testing.assert_allclose(gen_scores(HALF, gamma=0.5), [-2 * np.sqrt(3) / 4, -1])
    np.testing.assert_allclose(gen_scores(HALF, gamma=0.5, largest=1), [-np.sqrt(3) / 4, -0.5])
    np.testing.assert_allclose(fused_scores([HALF, HALF[::-1]]), [np.log(5 / 3)] * 2)
    np.testing.assert_allclose(vim_scores(HALF, np.array([0.0, 2.0]), scale=3.0)[1], np.log(2) - 6)
    np.testing.assert_allclose(nnguide_scores(HALF, np.array([[2.0, 4.0]] * 2))[1], 3 * np.log(2))


def test_agree_with_their_definitions():
    logits = random_logits()
    p = softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(msp_scores(logits), p.max(axis=1))
    np.testing.assert_allclose(1 / (1 + np.exp(-msp_log_odds(logits))), p.max(axis=1))
    np.testing.assert_allclose(energy_scores(logits), logsumexp(logits.astype(float), axis=1))
    np.testing.assert_allclose(entropy_scores(logits), -entropy(p, axis=1), rtol=1e-10)
    np.testing.assert_allclose(minus_log_entropy(logits), -np.log(entropy(p, axis=1)))
    terms = np.sort((p * (1 - p)) ** 0.1, axis=1)
    np.testing.assert_allclose(gen_scores(logits), -terms.sum(axis=1), rtol=1e-6)
    top = np.sort(p, axis=1)[:, -3:]
    expected = -((top * (1 - top)) ** 0.1).sum(axis=1)
    np.testing.assert_allclose(gen_scores(logits, largest=3), expected, rtol=1e-6)


def test_kl_matching_agrees_with_the_definition():
    logits, posteriors = random_logits(), softmax(random_logits(4, seed=1).astype(float), axis=1)
    p = softmax(logits.astype(np.float64), axis=1)
    expected = [-min(entropy(row, posterior) for posterior in posteriors) for row in p]
    np.testing.assert_allclose(kl_matching_scores(logits, posteriors), expected, rtol=1e-9)
    np.testing.assert_allclose(kl_matching_scores(np.log(posteriors), posteriors), 0, atol=1e-12)


@pytest.mark.parametrize("scores", RANKING)
def test_confident_images_do_not_tie(scores):
    """A probability of float64 is 1.0 from a lead of 37 on; leads up to 700 keep their order."""
    leads = CONFIDENT[CONFIDENT[:, 0] < 700]
    values = scores(leads)
    np.testing.assert_array_equal(rankdata(values), np.arange(1, len(leads) + 1))


@pytest.mark.parametrize("scores", UNSATURATED)
def test_no_lead_is_too_large(scores):
    values = scores(1e6 * CONFIDENT)
    np.testing.assert_array_equal(rankdata(values), np.arange(1, len(values) + 1))


def test_what_a_lead_of_800_gives_by_hand():
    """One other class, p = exp(-800): the entropy is p (1 + 800) and GEN's sum 2 p^gamma."""
    logits = np.array([[800.0, 0.0]])
    np.testing.assert_allclose(minus_log_entropy(logits), 800 - np.log(801))
    np.testing.assert_allclose(minus_log_gen(logits, gamma=0.5), 400 - np.log(2))


def test_images_sure_of_a_class_that_no_posterior_holds_tie_in_kl_matching():
    logits = np.array([[0.0, 800.0], [0.0, 900.0]])
    scores = kl_matching_scores(logits, np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(scores, -708.396, rtol=1e-5)


def test_no_lead_is_too_large_for_fused_probabilities():
    for heads in ([CONFIDENT], [1e6 * CONFIDENT, CONFIDENT], [CONFIDENT] * 3):
        fused = fused_scores(heads)
        np.testing.assert_array_equal(rankdata(fused), np.arange(1, len(fused) + 1))


def test_fused_heads_that_are_sure_by_hand():
    """Leads of 900 and 800: p is 1/2, or 2/3 with a third head; one of 450 leaves all the rest."""
    one, other = np.array([[900.0, 0.0, 0.0]]), np.array([[0.0, 800.0, 0.0]])
    np.testing.assert_allclose(fused_scores([one, other]), [0], atol=1e-12)
    np.testing.assert_allclose(fused_scores([one, one, other]), [np.log(2)])
    np.testing.assert_allclose(fused_scores([one, one / 2]), [450])


@given(st.floats(-1e4, 1e4))
def test_a_common_shift_moves_only_the_energy(shift):
    logits = random_logits(9).astype(np.float64)
    for scores in [msp_scores, *RANKING]:
        np.testing.assert_allclose(scores(logits + shift), scores(logits), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(energy_scores(logits + shift), energy_scores(logits) + shift)


@given(st.permutations(range(7)))
def test_the_order_of_the_classes_does_not_matter(order):
    logits = random_logits(9)
    for scores in [msp_scores, *RANKING, energy_scores]:
        np.testing.assert_allclose(scores(logits[:, order]), scores(logits), rtol=1e-9)


def test_fused_averages_probabilities_not_logits():
    heads = [random_logits(seed=1), random_logits(seed=2), random_logits(seed=3)]
    mean = np.mean([softmax(one.astype(float), axis=1) for one in heads], axis=0)
    np.testing.assert_allclose(fused_probabilities(heads), mean)
    expected = np.log(mean.max(axis=1) / (1 - mean.max(axis=1)))
    np.testing.assert_allclose(fused_scores(heads), expected, rtol=1e-6)


def test_nnguide_rises_with_energy_and_guidance_whatever_their_signs():
    """Energies 2, 0 and -2 by guidance 3, 1 and -1; the paper's product where both are positive."""
    logits = np.array([2.0, 0.0, -2.0])[:, None] - np.log(2) + np.zeros((3, 2))
    table = np.stack([nnguide_scores(logits, np.full((3, 4), g)) for g in (3.0, 1.0, -1.0)], axis=1)
    expected = [[6, 2, -1], [0, 0, -1], [-2, -2, -3]]
    np.testing.assert_allclose(table, expected, atol=1e-12)


def test_react_clips_before_the_head_standardises():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20, 6)).astype(np.float32)
    head = Probe(*(rng.uniform(0.5, 2, s).astype(np.float32) for s in [(3, 6), 3, 6, 6]))
    logits = (np.clip(features, None, 0.4) - head.mean) / head.std @ head.weight.T + head.bias

    scores = react_scores(features, head, threshold=0.4)

    np.testing.assert_allclose(scores, logsumexp(logits, axis=1), rtol=1e-5)
    untouched = react_scores(features, head, threshold=100.0)
    np.testing.assert_allclose(untouched, energy_scores(head.logits(features)))


@pytest.mark.parametrize(
    "scores",
    [*RANKING, msp_scores, max_logit_scores, energy_scores],
)
def test_bad_logits_are_refused(scores):
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        scores(np.zeros((4, 1)))
    bad = np.zeros((4, 3))
    bad[2, 1] = np.nan
    with pytest.raises(ValueError, match="logits must be finite, but row 2"):
        scores(bad)


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        energy_scores(HALF, temperature=0.0)
    with pytest.raises(ValueError, match=r"gamma must be in \(0, 1\), got 1.5"):
        gen_scores(HALF, gamma=1.5)
    with pytest.raises(ValueError, match="largest must be at least 1, got 0"):
        gen_scores(HALF, largest=0)
