"""Holm's correction by hand and by definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.statistics.multiple_tests import holm


def naive_rejections(p_values, alpha):
    """Step down: stop at the first p-value above alpha over the number still standing."""
    rejected = set()
    for i in sorted(range(len(p_values)), key=lambda i: p_values[i]):
        if p_values[i] * (len(p_values) - len(rejected)) > alpha:
            break
        rejected.add(i)
    return rejected


def test_by_hand():
    """Factors 3, 2, 1 on the ordered values; the last cannot fall below the one before."""
    np.testing.assert_allclose(holm(np.array([0.03, 0.01, 0.02])), [0.04, 0.03, 0.04])
    np.testing.assert_allclose(holm(np.array([0.6, 0.5])), [1.0, 1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_rejects_what_the_step_down_rule_rejects(p_values, alpha):
    adjusted = holm(np.array(p_values))

    assert {i for i, p in enumerate(adjusted) if p <= alpha} == naive_rejections(p_values, alpha)


def test_one_test_needs_no_correction():
    assert holm(np.array([0.04])).tolist() == [0.04]
    assert holm(np.zeros(0)).tolist() == []


def test_no_p_value_is_refused():
    with pytest.raises(ValueError, match=r"between 0 and 1, got \[0.5, nan\]"):
        holm(np.array([0.5, np.nan]))
