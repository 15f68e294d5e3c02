import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf

from pipeline.detectors.gaussians import ClassGaussians, class_sums
from pipeline.statistics.metrics import auroc


def clusters(n=240, d=5, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    means = 3 * rng.standard_normal((classes, d))
    mix = rng.standard_normal((d, d))
    return means[labels] + rng.standard_normal((n, d)) @ mix, labels


def naive_distances(features, labels, queries, within, overall):
    """The definition, one query and class at a time."""
    means = [features[labels == c].mean(axis=0) for c in np.unique(labels)]
    inside, outside = np.linalg.inv(within), np.linalg.inv(overall)
    centre = features.mean(axis=0)
    nearest = [min((q - m) @ inside @ (q - m) for m in means) for q in queries]
    return np.array(nearest), np.array([(q - centre) @ outside @ (q - centre) for q in queries])


def test_by_hand():
    """Two classes around (0, 0) and (10, 0), each a cross with arms of 1 and 2."""
    cross = np.array([[1, 0], [-1, 0], [0, 2], [0, -2]], np.float64)
    features = np.concatenate([cross, cross + np.array([10, 0])])
    gaussians, shared = ClassGaussians.fit(features, np.repeat([0, 1], 4), shrinkage="none")

    nearest, overall = gaussians.distances(np.array([[0.0, 0.0], [5.0, 0.0], [10.0, 2.0]]))

    np.testing.assert_allclose(shared.matrix, np.diag([0.5, 2.0]))
    np.testing.assert_allclose(nearest, [0, 50, 2], atol=1e-12)
    np.testing.assert_allclose(overall, [25 / 25.5, 0, 25 / 25.5 + 4 / 2])
    assert shared.condition == pytest.approx(4)


@pytest.mark.parametrize(
    ("shrinkage", "estimator"),
    [("none", EmpiricalCovariance), ("ledoit_wolf", LedoitWolf), ("oas", OAS)],
)
@pytest.mark.parametrize("n", [240, 16])
def test_agrees_with_scikit_learn(shrinkage, estimator, n):
    features, labels = clusters(n=n)
    queries = clusters(seed=1, n=30)[0]
    means = np.stack([features[labels == c].mean(axis=0) for c in range(4)])
    within = estimator(assume_centered=True).fit(features - means[labels]).covariance_
    fitted = estimator(assume_centered=True).fit(features - means[labels])
    share = getattr(fitted, "shrinkage_", 0.0)
    plain = EmpiricalCovariance().fit(features).covariance_
    overall = (1 - share) * plain + share * np.trace(plain) / len(plain) * np.eye(len(plain))

    gaussians, shared = ClassGaussians.fit(features, labels, shrinkage=shrinkage)

    np.testing.assert_allclose(shared.matrix, within, rtol=1e-9, atol=1e-9)
    expected = naive_distances(features, labels, queries, within, overall)
    for ours, definition in zip(gaussians.distances(queries), expected, strict=True):
        np.testing.assert_allclose(ours, definition, rtol=1e-8)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_unchanged_by_an_invertible_map(seed, scale):
    features, labels = clusters(seed=seed)
    rng = np.random.default_rng(seed)
    mapping = scale * (np.eye(5) + 0.3 * rng.uniform(-1, 1, (5, 5))) + 0.0
    shift = rng.standard_normal(5)
    plain, _ = ClassGaussians.fit(features, labels, shrinkage="none")
    mapped, _ = ClassGaussians.fit(features @ mapping + shift, labels, shrinkage="none")

    for before, after in zip(
        plain.distances(features[:20]),
        mapped.distances(features[:20] @ mapping + shift),
        strict=True,
    ):
        np.testing.assert_allclose(before, after, rtol=1e-5)


def test_five_digits_far_from_the_origin_in_float32():
    """A large common offset, as raw features have, must not eat the differences."""
    features, labels = clusters()
    stored = (features + 300).astype(np.float32)
    exact = stored.astype(np.float64)
    means = np.stack([exact[labels == c].mean(axis=0) for c in range(4)])
    within = np.cov((exact - means[labels]).T, bias=True)
    expected, _ = naive_distances(exact, labels, exact, within, np.eye(5))

    nearest, _ = ClassGaussians.fit(stored, labels)[0].distances(stored)

    np.testing.assert_allclose(nearest, expected, rtol=1e-5)


def test_five_digits_where_classes_are_far_apart():
    """Variance within classes a millionth of that between them: subtracting would eat it."""
    features, labels = clusters()
    far = features * 1e-4 + 1e3 * np.eye(4, 5)[labels]
    means = np.stack([far[labels == c].mean(axis=0) for c in range(4)])
    within = np.cov((far - means[labels]).T, bias=True)

    shared = ClassGaussians.fit(far, labels, shrinkage="none")[1]

    np.testing.assert_allclose(shared.matrix, within, rtol=1e-6, atol=1e-9 * np.abs(within).max())


@pytest.mark.parametrize("extra", [0, 3, 30])
def test_auto_shrinks_where_rows_are_few_although_the_condition_is_good(extra):
    """64 dimensions, 5 classes: just above n - C = d, plain distances rank OOD by noise."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((5, 64))
    labels = np.arange(69 + extra) % 5
    bank, near = (centres[y] + rng.standard_normal((len(y), 64)) for y in (labels, labels))
    far = rng.standard_normal((100, 64)) + rng.standard_normal((100, 64))

    def auroc(shrinkage):
        gaussians, shared = ClassGaussians.fit(bank, labels, shrinkage=shrinkage)
        inside, outside = (gaussians.distances(rows)[0] for rows in (near, far))
        return (inside[:, None] < outside).mean(), shared

    plain, of_plain = auroc("none")
    automatic, shared = auroc("auto")

    assert of_plain.condition < 1e6
    assert plain < 0.99
    assert automatic > 0.999
    assert shared.shrinkage == "ledoit_wolf"


def test_auto_leaves_ten_rows_a_dimension_as_they_are():
    """Counted without one row a class, which its mean takes: 5 dimensions, 4 classes."""
    features, labels = clusters(n=54)
    assert ClassGaussians.fit(features, labels)[1].shrinkage == "none"
    assert ClassGaussians.fit(features[1:], labels[1:])[1].shrinkage == "ledoit_wolf"


def test_fewer_rows_than_dimensions_is_refused_or_shrunk():
    features, labels = clusters(n=40, d=60)
    with pytest.raises(ValueError, match="from 40 rows in 60 dimensions, must have a condition"):
        ClassGaussians.fit(features, labels, shrinkage="none")

    gaussians, shared = ClassGaussians.fit(features, labels, shrinkage="auto")

    assert shared.shrinkage == "ledoit_wolf"
    assert shared.condition_before == np.inf
    assert 0 < shared.intensity < 1
    assert (gaussians.distances(features)[0] >= 0).all()


def test_a_constant_dimension_is_refused_or_shrunk():
    features, labels = clusters()
    features[:, 2] = 7.0
    with pytest.raises(ValueError, match="got inf; use more rows than dimensions, or shrinkage"):
        ClassGaussians.fit(features, labels, shrinkage="none")
    assert ClassGaussians.fit(features, labels, shrinkage="auto")[1].shrinkage == "ledoit_wolf"


def test_refusals():
    features, labels = clusters()
    with pytest.raises(ValueError, match="at least two rows, but class 9 has one"):
        ClassGaussians.fit(features, np.where(np.arange(240) == 3, 9, labels))
    with pytest.raises(ValueError, match="has no spread"):
        ClassGaussians.fit(np.ones((8, 3)), np.arange(8) % 2)
    with pytest.raises(ValueError, match="known: auto, none, ledoit_wolf, oas"):
        ClassGaussians.fit(features, labels, shrinkage="ridge")
    features[17, 1] = np.nan
    with pytest.raises(ValueError, match="row 17 holds NaN"):
        ClassGaussians.fit(features, labels)


def test_sums_by_class():
    sums = class_sums(np.arange(8.0).reshape(4, 2), np.array([2, 0, 2, 2]), 3)
    np.testing.assert_array_equal(sums, [[2, 3], [0, 0], [0 + 4 + 6, 1 + 5 + 7]])


def test_labels_must_be_as_many_as_rows_and_some_known():
    features, labels = clusters()
    with pytest.raises(ValueError, match="each row needs a label, got 240 rows and 239 labels"):
        ClassGaussians.fit(features, labels[1:])
    with pytest.raises(ValueError, match="no label is 0 or above; use a bank with labels, or fit"):
        ClassGaussians.fit(features, labels - 10)


@pytest.mark.parametrize("shrinkage", ["none", "ledoit_wolf"])
def test_rows_without_a_label_stay_out(shrinkage):
    features, labels = clusters()
    inside = np.arange(240) % 7 > 0
    some, shared = ClassGaussians.fit(features, np.where(inside, labels, -1), shrinkage=shrinkage)
    alone, expected = ClassGaussians.fit(features[inside], labels[inside], shrinkage=shrinkage)
    np.testing.assert_allclose(shared.matrix, expected.matrix, rtol=1e-9, atol=1e-12)
    for ours, theirs in zip(some.distances(features), alone.distances(features), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_distances_to_classes_far_apart_do_not_cancel():
    """Whitened means 1e7 apart: |z|^2 + |m|^2 - 2 z.m would keep two digits of |z - m|^2."""
    features, labels = clusters()
    gaussians, _ = ClassGaussians.fit(features, labels)
    far = ClassGaussians(np.zeros(5), np.eye(5), 1e7 * np.eye(4, 5), np.ones(5), gaussians.classes)
    steps = np.random.default_rng(0).standard_normal((240, 5))

    nearest, _ = far.distances(far.means[labels] + steps)

    np.testing.assert_allclose(nearest, (steps**2).sum(axis=1), rtol=1e-7)


def test_few_rows_of_many_dimensions_do_not_turn_relative_distances_round():
    """Directions without rows: under a global shrinkage of its own, OOD rows looked more ID."""
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(60, 400)) / 20
    centres = np.outer(np.arange(6), np.eye(60)[0]) * 3  # far apart in one direction

    def rows(n):
        labels = np.arange(n) % 6
        inside = centres[labels] + rng.normal(size=(n, 60))
        return inside @ basis + 0.05 * rng.normal(size=(n, 400)), labels

    gaussians, shared = ClassGaussians.fit(*rows(120))
    known = rows(200)[0]
    strange = known + 0.4 * rng.normal(size=known.shape)  # where no training row varies
    scores = [overall - nearest for nearest, overall in map(gaussians.distances, (known, strange))]

    assert shared.shrinkage == "ledoit_wolf"
    assert (gaussians.global_variances > 1 - 1e-9).all()
    assert auroc(*scores) > 0.9
