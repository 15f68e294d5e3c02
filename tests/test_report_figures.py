import xml.etree.ElementTree as ET

import numpy as np
import pytest
from report_world import write_world

from pipeline.report.attacks import curves_figure
from pipeline.report.figure_curves import histogram_figure, roc_figure
from pipeline.report.figure_methods import backbones_figure, mean_figure, sets_figure
from pipeline.report.figure_scatter import accuracy_figure
from pipeline.report.figures import FAINT, panels, save_figure
from pipeline.report.read import read_records
from pipeline.report.records import Scope

DRAWINGS = (
    accuracy_figure,
    backbones_figure,
    histogram_figure,
    mean_figure,
    roc_figure,
    sets_figure,
)


def records_of(root, *, backbones, sets, crafted=(), means=None):
    write_world(root, backbones=backbones, sets=sets, crafted=crafted, means=means or {})
    scope = Scope(
        backbone=backbones[0],
        backbones=backbones,
        benchmark="glyphs",
        id_test="capitals_test",
        ood=sets,
        crafted=crafted,
        means=means or {},
        clip=tuple(name for name in backbones if name != "plain"),
        headline_methods=("knn_1", "mcm"),
    )
    return read_records(root / "reports", scope)


def test_panels_keep_their_size():
    """A further panel makes the figure larger, not the panels smaller."""
    sizes = []
    for count in (1, 7):
        figure, axes = panels(count, columns=3, size=(2.0, 1.5))
        box = axes[-1].get_position()
        sizes.append((box.width * figure.get_figwidth(), box.height * figure.get_figheight()))

    np.testing.assert_allclose(sizes, [(2.0, 1.5)] * 2)


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize(
    ("backbones", "sets", "crafted"),
    [
        (("mini_l", "mini_s", "mini_m"), ("greek", "digits"), ("smooth",)),
        (("plain",), ("vehicles",), ()),
    ],
)
def test_a_figure_is_the_same_file_twice(tmp_path, draw, backbones, sets, crafted):
    """Also for one backbone without text tower on one set, where half of the methods are absent."""
    records = records_of(tmp_path, backbones=backbones, sets=sets, crafted=crafted)

    save_figure(draw(records), tmp_path / "a.svg")
    save_figure(draw(records), tmp_path / "b.svg")

    text = (tmp_path / "a.svg").read_bytes()
    assert text == (tmp_path / "b.svg").read_bytes()
    ET.fromstring(text)
    assert not list(tmp_path.glob("*.partial*"))


def test_scatter_puts_the_backbone_where_its_numbers_are(tmp_path):
    records = records_of(
        tmp_path, backbones=("mini_l", "mini_s", "plain"), sets=("greek", "digits")
    )

    panel = accuracy_figure(records).axes[1]

    drawn = {tuple(line.get_xydata()[0]) for line in panel.lines if len(line.get_xydata()) == 1}
    expected = set()
    for name in records.scope.backbones:
        accuracy, _, _ = records.accuracy(name, "knn_20")
        auroc, _, _ = records.metric(name, "greek", "knn_1", "auroc")
        expected.add((100 * accuracy, 100 * auroc))
    assert drawn == expected
    assert panel.get_title(loc="left") == "greek"


def test_scatter_says_when_there_are_too_few_backbones(tmp_path):
    records = records_of(tmp_path, backbones=("mini_l", "plain"), sets=("greek", "digits"))

    texts = [text.get_text() for text in accuracy_figure(records).axes[0].texts]

    assert any("no line: 1 of three backbones needed" in text for text in texts)


def test_scatter_says_when_backbones_do_not_differ(tmp_path):
    records = records_of(tmp_path, backbones=("mini_s", "mini_m", "mini_l"), sets=("greek", "sun"))
    for record in records.accuracies.values():
        record["classifiers"]["knn_20"] = {"value": 0.9}

    texts = [text.get_text() for text in accuracy_figure(records).axes[0].texts]

    assert "no line: points do not differ" in texts


def test_more_than_six_backbones_are_numbered_and_named_beside(tmp_path):
    names = tuple(f"net_{i}" for i in range(8))
    figure = accuracy_figure(records_of(tmp_path, backbones=names, sets=("greek", "digits")))

    assert {"1", "8"} <= {text.get_text() for text in figure.axes[0].texts}
    assert any("1  net_0" in text.get_text() for text in figure.texts)


def test_the_attack_curve_is_the_surrogate_s(tmp_path):
    """Steps and size on the axes, AUROC in percent; nothing to draw without the surrogate."""
    records = records_of(
        tmp_path / "a", backbones=("mini_m", "mini_s"), sets=("greek",), crafted=("smooth",)
    )
    by_steps, by_size = curves_figure(records).axes

    np.testing.assert_allclose(by_steps.lines[0].get_xydata()[[0, -1]], [[0, 90], [250, 63]])
    np.testing.assert_allclose(by_size.lines[0].get_xydata()[-1], [1.5, 63])
    other = records_of(tmp_path / "b", backbones=("mini_s",), sets=("greek",), crafted=("smooth",))
    assert curves_figure(other) is None


def test_roc_has_ood_to_the_right_and_id_upwards(tmp_path):
    records = records_of(tmp_path, backbones=("mini_l",), sets=("greek",))
    curve = records.evaluations["mini_l"]["greek"]["roc"]["knn_1"]

    (panel,) = roc_figure(records).axes

    drawn = next(line for line in panel.lines if line.get_label() == "knn_1")
    np.testing.assert_allclose(drawn.get_xdata(), curve["fpr"])
    np.testing.assert_allclose(drawn.get_ydata(), curve["tpr"])


def test_histograms_are_shares_of_their_own_set(tmp_path):
    """ID and OOD sets of different size are drawn with equal area."""
    records = records_of(tmp_path, backbones=("mini_l",), sets=("greek",))

    panel = histogram_figure(records).axes[0]

    sums = [patch.get_data().values.sum() for patch in panel.patches]
    np.testing.assert_allclose(sums, 1.0)


def test_the_drawn_line_is_the_least_squares_line(tmp_path):
    backbones = ("mini_s", "mini_m", "mini_l", "plain")
    records = records_of(tmp_path, backbones=backbones, sets=("greek", "digits"))
    x = [100 * records.accuracy(name, "knn_20")[0] for name in backbones[:3]]
    y = [100 * records.metric(name, "greek", "knn_1", "auroc")[0] for name in backbones[:3]]

    panel = accuracy_figure(records).axes[1]

    (drawn,) = (line for line in panel.lines if line.get_color() == FAINT)
    slope, intercept = np.polyfit(x, y, 1)
    np.testing.assert_allclose(drawn.get_ydata(), intercept + slope * drawn.get_xdata())
    r2 = np.corrcoef(x, y)[0, 1] ** 2
    assert any(f"R² = {r2:.3f}, 3 backbones" in text.get_text() for text in panel.texts)
