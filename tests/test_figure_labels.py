"""Names beside points: nothing is covered, and the nearest free corner wins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_report_figures import records_of

from pipeline.report.figure_labels import Box, place_labels, text_size
from pipeline.report.figure_scatter import accuracy_figure

PANEL = Box(0, 0, 200, 200)
SIZE = (20.0, 10.0)


def placed(points, *, upwards=None, taken=(), panel=PANEL):
    return place_labels(
        np.array(points, dtype=np.float64),
        [SIZE] * len(points),
        upwards=upwards or [True] * len(points),
        radius=3.0,
        taken=list(taken),
        panel=panel,
    )


def test_a_label_alone_stands_at_the_corner_it_should():
    """Four points away from (100, 100): to the upper left, or to the lower right."""
    assert placed([(100, 100)]) == [Box(76, 104, 96, 114)]
    assert placed([(100, 100)], upwards=[False]) == [Box(104, 86, 124, 96)]


def test_a_covered_corner_gives_way_to_the_opposite_one():
    blocked = Box(70, 100, 90, 120)

    assert placed([(100, 100)], taken=[blocked]) == [Box(104, 86, 124, 96)]


def test_a_label_stays_in_its_panel():
    assert placed([(10, 100)]) == [Box(14, 86, 34, 96)]


def test_without_a_free_place_the_least_is_covered():
    """All is taken, but for a strip of two points that only the lower right corner reaches."""
    taken = [Box(0, 0, 122, 200), Box(124, 0, 200, 200)]

    (box,) = placed([(100, 100)], taken=taken)

    assert box.left <= 122
    assert box.right >= 124


@given(st.lists(st.tuples(st.floats(40, 160), st.floats(40, 160)), min_size=2, max_size=4))
def test_few_labels_cover_neither_markers_nor_each_other(points):
    boxes = placed(points)

    for box in boxes:
        for x, y in points:
            assert box.overlap(Box(x - 3, y - 3, x + 3, y + 3)) < 1e-6
    for first in range(len(boxes)):
        for second in range(first):
            assert boxes[first].overlap(boxes[second]) < 1e-6


def test_overlap_by_hand():
    assert Box(0.0, 0.0, 4.0, 3.0).overlap(Box(2.0, 1.0, 9.0, 9.0)) == 4
    assert Box(0.0, 0.0, 4.0, 3.0).overlap(Box(4.0, 0.0, 9.0, 3.0)) == 0


def test_a_longer_name_is_wider():
    assert text_size("mini_s_ft", 7.5)[0] > text_size("mini_s", 7.5)[0] > 0


def cell(value: float) -> dict[str, float]:
    return {"value": value, "low": value, "high": value}


@pytest.fixture
def crowded(tmp_path):
    """Two backbones nearly at one point, and a third at 100 %: the line would run above it."""
    records = records_of(
        tmp_path, backbones=("mini_s", "mini_m", "mini_l", "plain"), sets=("greek", "digits")
    )
    values = {"mini_s": (0.8, 0.99), "mini_m": (0.9, 0.999), "plain": (0.9, 0.9985)}
    values["mini_l"] = (0.96, 1.0)
    for name, (accuracy, auroc) in values.items():
        records.accuracies[name]["classifiers"]["knn_20"] = cell(accuracy)
        records.evaluations[name]["greek"]["methods"]["knn_1"]["auroc"] = cell(auroc)
    return accuracy_figure(records).axes[1]


def test_names_of_close_points_lie_apart(crowded):
    boxes = {text.get_text(): text.get_window_extent() for text in crowded.texts}

    assert {"mini_m", "plain"} <= set(boxes)
    assert not boxes["mini_m"].overlaps(boxes["plain"])
    for place in ((90, 99.9), (90, 99.85)):
        at = crowded.transData.transform(place)
        assert not any(box.contains(*at) for box in boxes.values())


def test_the_line_ends_at_a_hundred_percent(crowded):
    """Least squares give 1.0001 at the last point, 96 % accuracy; the line stops before it."""
    (line,) = (line for line in crowded.lines if len(line.get_xdata()) == 2)
    x, y = line.get_xydata().T

    assert x[0] == 80
    assert 94 < x[1] < 96
    assert y[1] == pytest.approx(100)
