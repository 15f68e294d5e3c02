"""Pseudo-labels: the nearest text of every bank image."""

import math

import numpy as np
import pytest

from pipeline.geometry import unit_norm
from pipeline.training.pseudo_label_quality import chance_warning, confident_rows, quality
from pipeline.training.pseudo_labels import PseudoLabelParams, assign, cosine_softmax


def random_world(seed, *, n=40, d=6, e=4, c=3):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d)).astype(np.float32)
    projection = rng.normal(size=(d, e)).astype(np.float32)
    classes = unit_norm(rng.normal(size=(c, e)).astype(np.float32))
    return features, projection, classes


def test_three_rows_by_hand():
    """East and north are classes; the second row looks north-east, a little more to the north."""
    classes = np.eye(2, dtype=np.float32)
    features = np.array([[9, 0], [3, 4], [0, 0.5]], dtype=np.float32)

    labels, confidence = assign([features], classes, None)

    assert labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(confidence, [1, 0.8, 1], atol=1e-6)


def test_agrees_with_the_definition_whatever_the_shards():
    features, projection, classes = random_world(0)
    naive = []
    for row in features.astype(np.float64):
        image = row @ projection / np.linalg.norm(row @ projection)
        naive.append(int(np.argmax([image @ text for text in classes])))

    for cut in (1, 7, 40):
        shards = [features[start : start + cut] for start in range(0, 40, cut)]
        assert assign(shards, classes, projection)[0].tolist() == naive


def test_features_already_in_the_joint_space_need_no_projection():
    features, projection, classes = random_world(1)

    through = assign([features], classes, projection)
    direct = assign([features @ projection], classes, None)

    np.testing.assert_array_equal(through[0], direct[0])
    np.testing.assert_allclose(through[1], direct[1], atol=1e-6)


def test_length_of_a_feature_does_not_matter():
    features, projection, classes = random_world(2)

    np.testing.assert_array_equal(
        assign([features], classes, projection)[0], assign([features * 7], classes, projection)[0]
    )


def test_temperature_turns_the_confidence_into_a_probability():
    classes = np.eye(2, dtype=np.float32)
    features = np.array([[1, 0]], dtype=np.float32)

    _, confidence = assign([features], classes, None, temperature=0.5)

    np.testing.assert_allclose(confidence, 1 / (1 + np.exp(-2)), rtol=1e-6)


@pytest.mark.parametrize("temperature", [np.finfo(np.float32).tiny, 1e-30, 1e38])
def test_any_temperature_that_is_taken_gives_probabilities(temperature):
    temperature = PseudoLabelParams(soft=True, temperature=float(temperature)).temperature
    found = cosine_softmax(np.array([[-1.0, 1.0, 1.0]], np.float32), temperature=temperature)

    np.testing.assert_allclose(found, [[0, 0.5, 0.5]] if temperature < 1 else 1 / 3, atol=1e-6)


def test_softmax_of_cosines_sums_to_one_at_any_temperature():
    cosines = np.array([[0.3, 0.2, -0.1]], dtype=np.float32)

    for temperature in (1e-3, 1.0, 100.0):
        assert np.isclose(cosine_softmax(cosines, temperature=temperature).sum(), 1, atol=1e-6)


def test_filters_keep_the_most_confident():
    labels = np.array([0, 0, 0, 0, 1], dtype=np.int32)
    confidence = np.array([0.1, 0.9, 0.5, 0.5, 0.2], dtype=np.float32)

    assert confident_rows(labels, confidence).tolist() == [0, 1, 2, 3, 4]
    assert confident_rows(labels, confidence, min_confidence=0.2).tolist() == [1, 2, 3, 4]
    assert confident_rows(labels, confidence, keep=0.5).tolist() == [1, 2, 4]  # first of equals
    both = confident_rows(labels, confidence, min_confidence=0.5, keep=0.5)
    assert both.tolist() == [1, 2]


def test_a_filter_that_keeps_nothing_is_refused():
    with pytest.raises(ValueError, match="min_confidence = 2.0 keeps no row; the highest .* 0.9"):
        confident_rows(np.zeros(1, np.int32), np.array([0.9], np.float32), min_confidence=2.0)


def test_quality_by_hand():
    """Row 3 has no label; class b got nothing; cranes share a name."""
    pseudo = np.array([0, 0, 2, 2], dtype=np.int32)
    labels = np.array([0, 1, 2, -1], dtype=np.int32)

    report = quality(pseudo, labels, ["crane", "b", "Crane"], kept=np.array([0, 2]))

    assert report["accuracy"] == round(2 / 3, 6)
    assert report["accuracy_kept"] == 1.0
    assert [entry["rows"] for entry in report["counts"]] == [2, 0, 2]
    assert report["dead_classes"] == [{"label": 1, "class": "b"}]
    assert report["equal_names"] == {"crane": [0, 2]}


def test_unlabelled_bank_has_no_accuracy():
    labels = np.array([-1, -1], dtype=np.int32)

    report = quality(np.zeros(2, np.int32), labels, ["a", "b"], kept=np.arange(2))

    assert "accuracy" not in report


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"soft": True}, "needs pseudo_label.temperature"),
        ({"temperature": 0.0}, "temperature must be positive .* in float32, got 0.0; CLIP's own"),
        ({"temperature": -0.01}, "temperature must be positive .* got -0.01"),
        ({"temperature": math.nan}, "temperature must be positive .* got nan"),
        ({"temperature": math.inf}, "temperature must be positive .* got inf"),
        ({"temperature": 1e-60}, "temperature must be positive .* got 1e-60"),
        ({"temperature": 1e39}, r"temperature must be positive .* got 1e\+39"),
        ({"min_confidence": math.nan}, r"min_confidence must be in \[-1, 1\], .* null, got nan"),
        ({"min_confidence": math.inf}, r"min_confidence must be in \[-1, 1\], .* null, got inf"),
        ({"min_confidence": -1.5}, r"min_confidence must be in \[-1, 1\], .* null, got -1.5"),
        ({"keep": 0.0}, r"keep must be in \(0, 1\]"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PseudoLabelParams(**options)


def test_a_zero_feature_is_refused_by_row():
    features = np.array([[1, 0], [0, 0]], dtype=np.float32)

    with pytest.raises(ValueError, match="row 1"):
        assign([features], np.eye(2, dtype=np.float32), None)


def test_an_empty_bank_is_refused():
    with pytest.raises(ValueError, match="the bank has no rows"):
        assign([], np.eye(2, dtype=np.float32), None)


def test_class_embeddings_in_another_order_look_like_guesses():
    """Ten classes, every one taken for its mirror image."""
    labels = np.arange(200, dtype=np.int32) % 10
    said = chance_warning(9 - labels, labels, [f"c{i}" for i in range(10)])
    assert said is not None
    assert said.startswith("the nearest text is right for 0.0 % of 200 labelled rows, guesses 10")
    assert "class embeddings and class names must stand in the order of the labels: c0, c1" in said
    report = quality(9 - labels, labels, [f"c{i}" for i in range(10)], kept=np.arange(200))
    assert report["warning"] == said


@pytest.mark.parametrize(
    ("classes", "rows", "right", "told"),
    [
        (10, 200, 40, True),  # 2/c
        (10, 200, 42, False),
        (3, 200, 66, True),  # 1/c: twice as many would be two thirds of all rows
        (3, 200, 70, False),
        (2, 200, 100, True),
        (2, 200, 110, False),
        (10, 49, 0, False),  # too few to tell
        (10, 50, 0, True),
    ],
)
def test_what_counts_as_guessing(classes, rows, right, told):
    labels = (np.arange(rows) % classes).astype(np.int32)
    pseudo_labels = np.where(np.arange(rows) < right, labels, (labels + 1) % classes)
    warning = chance_warning(pseudo_labels.astype(np.int32), labels, ["x"] * classes)
    assert (warning is not None) == told


def test_only_rows_with_both_labels_count():
    labels = (np.arange(100) % 5).astype(np.int32)
    half = np.where(np.arange(100) < 50, labels, -1).astype(np.int32)
    wrong = ((labels + 1) % 5).astype(np.int32)
    for known, given in ((half, wrong), (labels, np.where(half < 0, -1, wrong).astype(np.int32))):
        said = chance_warning(given, known, ["x"] * 5)
        assert said is not None
        assert "of 50 labelled rows" in said
    assert chance_warning(wrong, np.full(100, -1, np.int32), ["x"] * 5) is None
    good = quality(labels, labels, ["x"] * 5, kept=np.arange(100))
    assert "warning" not in good
