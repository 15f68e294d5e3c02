import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from report_world import write_world

from pipeline.findings.study_params import StudyParams
from pipeline.report.attacks import curves_figure
from pipeline.report.figure_curves import histogram_figure, roc_figure
from pipeline.report.figure_heat import COLOURS, SHOWN_FROM, SHOWN_TO, contrast, ink_on
from pipeline.report.figure_methods import backbones_figure, mean_figure, sets_figure
from pipeline.report.figure_scatter import accuracy_figure
from pipeline.report.figures import FAINT, panels, save_figure
from pipeline.report.pictures import captions
from pipeline.report.read import read_records
from pipeline.report.records import ReportScope
from stages import report

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
    scope = ReportScope(
        backbone=backbones[0],
        backbones=backbones,
        benchmark="glyphs",
        id_test="capitals_test",
        ood=sets,
        crafted=dict.fromkeys(crafted, sets[0]),
        means=means or {},
        study=StudyParams(family=[], clip=[name for name in backbones if name != "plain"]),
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

    if draw is backbones_figure and len(backbones) == 1:
        assert draw(records) is None  # its one column stands among the sets
        return
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
        record["classifiers"]["knn_20"] = {"value": 0.9, "low": 0.8, "high": 1.0}

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


def drawn_labels(figure, axis="xaxis"):
    """Bounding boxes of all visible tick labels of a figure, as it is saved."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    labels = [label for panel in figure.axes for label in getattr(panel, axis).get_ticklabels()]
    shown = [label for label in labels if label.get_text() and label.get_visible()]
    return [label.get_window_extent(canvas.get_renderer()) for label in shown]


def test_tick_labels_of_histograms_never_collide(tmp_path):
    """Six narrow columns of scores of any size; each panel can be read off."""
    names = ("knn_1", "mahalanobis", "mcm", "plp_msp", "plp_energy", "lp_msp")
    records = records_of(tmp_path, backbones=("mini_l",), sets=("greek", "digits"))
    records = replace(records, scope=replace(records.scope, headline_methods=names))
    ends = [(0.68, 1.0), (-81000, -300), (-3.03, -2.74), (-0.9, 12.4), (5.1, 26.0), (1e-6, 4e-6)]
    for record in records.evaluations["mini_l"].values():
        for name, (low, high) in zip(names, ends, strict=True):
            record["histogram"][name]["edges"] = np.linspace(low, high, 41).tolist()

    figure = histogram_figure(records)
    boxes = drawn_labels(figure)

    assert figure.get_figwidth() <= 9.3  # at this width a README shows it at full size
    assert all(panel.get_xticks().size for panel in figure.axes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_roc_panels_share_one_axis_and_no_label_collides(tmp_path):
    sets = tuple(f"set_{i}" for i in range(6))
    figure = roc_figure(records_of(tmp_path, backbones=("mini_l",), sets=sets))

    assert figure.get_figwidth() <= 9.3
    for axis in ("xaxis", "yaxis"):
        boxes = drawn_labels(figure, axis)
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert {label.get_text() for label in figure.legends[0].get_texts()} == {"knn_1", "mcm"}


@pytest.mark.parametrize("share", np.linspace(0.3, 1, 15))
def test_numbers_stand_out_from_their_cell(share):
    """WCAG asks for 4.5; white on the middle of the scale had 3.6."""
    colour = mpl.colormaps[COLOURS](Normalize(SHOWN_FROM, SHOWN_TO)(100 * share))

    assert contrast(ink_on(colour), colour) > 4.5


def test_contrast_by_hand():
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)
    assert contrast(FAINT, "white") > 4.5


def test_heat_maps_have_the_scale_of_their_colours(tmp_path):
    records = records_of(tmp_path, backbones=("mini_l", "mini_s"), sets=("greek", "digits"))
    figure = backbones_figure(records)
    cells, bar = figure.axes

    assert [label.get_text() for label in bar.get_yticklabels()] == [
        "≤ 50", "60", "70", "80", "90", "100"
    ]  # fmt: skip
    assert cells.get_position().x1 < bar.get_position().x0 < 1
    assert len(sets_figure(records).axes) == 2


def test_no_axis_in_percent_has_a_tick_above_100(tmp_path):
    records = records_of(
        tmp_path, backbones=("mini_s", "mini_m", "mini_l"), sets=("greek", "digits")
    )
    for sets in records.evaluations.values():
        sets["greek"]["methods"]["knn_1"]["auroc"] = {"value": 1.0, "low": 0.996, "high": 1.0}

    figure = accuracy_figure(records)

    ticks = [tick for panel in figure.axes for tick in (*panel.get_xticks(), *panel.get_yticks())]
    assert max(ticks) <= 100
    assert figure.get_figwidth() <= 9.3


def test_the_headline_leads_the_legend(tmp_path):
    records = records_of(tmp_path, backbones=("mini_m", "mini_s"), sets=("greek", "digits"))

    legend = mean_figure(records).axes[0].get_legend()

    assert [text.get_text() for text in legend.get_texts()] == ["mini_m", "mini_s"]


@pytest.mark.parametrize("name", report.FIGURES)
def test_a_caption_says_what_is_seen_and_which_way_is_better(tmp_path, name):
    caption = captions(records_of(tmp_path, backbones=("mini_l",), sets=("greek",)))[name]

    assert re.search(r"better|lower a curve falls|more in-distribution", caption)
    assert caption.endswith(".")


@pytest.mark.parametrize(("sets", "shown"), [(("sun",), "on sun"), (("sun", "sea"), "every OOD")])
def test_the_caption_tells_of_a_line_only_where_one_is_drawn(tmp_path, sets, shown):
    records = records_of(tmp_path, backbones=("mini_s", "mini_m", "mini_l"), sets=sets)
    without = replace(records, lines=records.lines.with_columns(r2=None))

    line, none = (captions(found)["accuracy_against_auroc"] for found in (records, without))

    assert shown in line
    assert "The line is the least-squares line" in line
    assert "least-squares" not in none
    assert "needs three or more CLIP backbones" in none
