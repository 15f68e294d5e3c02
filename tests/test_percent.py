import pytest

from pipeline.percent import percent, points


def test_percent_by_hand():
    assert percent(0.9687) == "96.9"
    assert percent(0.9687, 0.961, 0.9759) == "96.9 (96.1–97.6)"
    assert percent(None) == "n/a"
    assert percent(0.0, 0.0, 0.01) == "0.0 (0.0–1.0)"


@pytest.mark.parametrize(
    ("share", "written"),
    [(1.0, "100.0"), (0.99991, "99.99"), (0.999754, "99.98"), (0.999998, "99.9998"),
     (0.9994, "99.9"), (0.0, "0.0"), (0.0004, "0.04"), (0.000002, "0.0002"), (-0.0, "0.0")],
)  # fmt: skip
def test_only_a_perfect_share_is_written_as_perfect(share, written):
    """An interval of (100.0-100.0) would look surer than that of perfect separation."""
    assert percent(share) == written


def test_each_end_of_an_interval_has_the_digits_that_it_needs():
    assert percent(0.99991, 0.99974, 1.0) == "99.99 (99.97–100.0)"
    assert percent(1.0, 0.992344, 1.0) == "100.0 (99.2–100.0)"


def test_points_by_hand():
    assert points(0.0151) == "+1.5"
    assert points(0.0151, -0.02, 0.03) == "+1.5 (-2.0 to +3.0)"


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert points(-0.0004, -0.002, 0.0004) == "0.0 (-0.2 to 0.0)"
    assert points(0.0004) == points(-0.0) == "0.0"
