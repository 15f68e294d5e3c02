import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from pipeline.detectors import clusters, fitting, row_blocks
from pipeline.detectors.clusters import kmeans
from pipeline.detectors.head_rows import logits_of
from pipeline.detectors.knn_classifier import knn_predictions
from pipeline.detectors.rounding import rounding_covariance
from pipeline.detectors.subspace import NoResidualError, ResidualSpace, vanishing_point
from pipeline.geometry import unit_norm
from pipeline.scores.knn import knn_scores
from pipeline.scores.residual import residual_scores
from pipeline.training.heads import Probe

RNG = np.random.default_rng(0)
FEATURES = (RNG.standard_normal((300, 8)) @ RNG.standard_normal((8, 8)) + 5).astype(np.float32)


def random_head(classes=3):
    shapes = [(classes, 8), (classes,), (8,), (8,)]
    return Probe(*(RNG.uniform(0.5, 2, shape).astype(np.float32) for shape in shapes))


def test_the_kth_similarity():
    similarities = np.array([[0.9, 0.5, 0.1]], np.float32)
    assert [float(knn_scores(similarities, k=k)[0]) for k in (1, 3)] == pytest.approx([0.9, 0.1])
    with pytest.raises(ValueError, match="k must be between 1 and 3 neighbours, got 4"):
        knn_scores(similarities, k=4)


def test_one_near_vote_outweighs_two_far_ones():
    """exp(0.1 / 0.02) is 148; at 0.5 it would take more votes."""
    similarities = np.array([[0.9, 0.8, 0.8], [0.9, 0.9, 0.9]])
    labels = np.array([[2, 1, 1], [2, 1, 1]])
    np.testing.assert_array_equal(knn_predictions(similarities, labels), [2, 1])
    np.testing.assert_array_equal(knn_predictions(similarities, labels, temperature=0.5), [1, 1])
    with pytest.raises(ValueError, match="needs a labelled bank"):
        knn_predictions(similarities, labels - 2)


def test_residual_is_the_reconstruction_error_of_a_pca():
    pca = PCA(3).fit(FEATURES.astype(np.float64))
    error = FEATURES - pca.inverse_transform(pca.transform(FEATURES))
    scores = residual_scores(FEATURES, ResidualSpace.fit(FEATURES, dimension=3))
    np.testing.assert_allclose(scores, -np.linalg.norm(error, axis=1), rtol=1e-5)


def test_residual_space_by_hand():
    """Points along the x axis around (0, 1): what is left is the height above 1."""
    line = np.array([[-2.0, 1.0], [2.0, 1.0], [0.0, 1.5], [0.0, 0.5]])
    space = ResidualSpace.fit(line, dimension=1)
    np.testing.assert_allclose(residual_scores(np.array([[7.0, 4.0]]), space), [-3])
    around_zero = ResidualSpace.fit(line, origin=np.zeros(2), dimension=1)
    np.testing.assert_allclose(residual_scores(np.array([[7.0, 4.0]]), around_zero), [-4])


def test_vim_follows_the_paper():
    """Around the point where the head's logits vanish, scaled by the bank's largest logits."""
    head = random_head()
    weight = head.weight / head.std
    origin = -np.linalg.pinv(weight) @ (head.bias - weight @ head.mean)
    np.testing.assert_allclose(weight @ origin + head.bias - weight @ head.mean, 0, atol=1e-4)
    np.testing.assert_allclose(
        vanishing_point(weight, head.bias - weight @ head.mean), origin, rtol=1e-3
    )
    shifted = FEATURES - origin
    null = np.linalg.svd(shifted, full_matrices=True)[2][4:].T
    residual = np.linalg.norm(shifted @ null, axis=1)

    part = fitting.fit_residuals(FEATURES, head, dimension=None)

    np.testing.assert_allclose(part["basis"].shape, (8, 4))
    norms = ResidualSpace(part["origin"], part["basis"]).norms(FEATURES)
    np.testing.assert_allclose(norms, residual, rtol=1e-3)
    scale = head.logits(FEATURES).max(axis=1).mean() / residual.mean()
    np.testing.assert_allclose(part["scale"], scale, rtol=1e-3)


def test_a_subspace_must_leave_something():
    with pytest.raises(ValueError, match="between 1 and 7 of 8 dimensions, got 8"):
        ResidualSpace.fit(FEATURES, dimension=8)


@pytest.mark.parametrize("dimension", [None, 1])
def test_features_of_one_dimension_have_no_residual(dimension):
    """No choice of the parameter could leave one, so that it is no fault of the parameters."""
    with pytest.raises(NoResidualError, match="at least 2 dimensions.* got features of 1; leave"):
        ResidualSpace.fit(FEATURES[:, :1], dimension=dimension)


@pytest.mark.parametrize("origin", [None, np.zeros(256)])
def test_a_bank_without_a_residual_is_refused(origin):
    """60 rows span 60 of 256 dimensions: outside of 128 nothing of them is left but rounding."""
    rows = np.random.default_rng(0).standard_normal((60, 256)).astype(np.float32)
    with pytest.raises(
        NoResidualError, match="128 of 256 dimensions needs more than 128 ID .* got 60; use more"
    ):
        ResidualSpace.fit(rows, origin=origin)
    flat = np.repeat(rows, 5, axis=0)
    with pytest.raises(
        NoResidualError, match="300 ID .* no variance .* 128 of 256 .*residual_dimension below 128"
    ):
        ResidualSpace.fit(flat, origin=origin)
    with pytest.raises(NoResidualError, match="no variance"):
        ResidualSpace.fit(np.ones((300, 256)), origin=origin)

    space = ResidualSpace.fit(rows, origin=origin, dimension=40)

    assert 0.1 < np.mean(space.norms(rows)) / np.mean(np.linalg.norm(rows, axis=1)) < 0.9


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rounding_of_a_store_is_no_residual(dtype):
    """Eight directions vary; float16 fills the other 56 with rounding, float32 with less of it."""
    rng = np.random.default_rng(0)
    flat = 3 + rng.standard_normal((500, 8)) @ rng.standard_normal((8, 64))
    bank = flat.astype(dtype).astype(np.float32)
    rounding = rounding_covariance(bank, dtype=dtype)
    for origin in (None, np.zeros(64)):
        with pytest.raises(NoResidualError, match="no variance but rounding"):
            ResidualSpace.fit(bank, origin=origin, rounding=rounding)
        ResidualSpace.fit(bank, origin=origin, rounding=rounding, dimension=6)


def test_statistics_of_a_head_on_the_bank(monkeypatch):
    monkeypatch.setattr(row_blocks, "_ROWS", 64)
    head = random_head(2)
    logits = head.logits(FEATURES).astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predicted = logits.argmax(axis=1)

    energies, posteriors = fitting.head_statistics(FEATURES, head)

    np.testing.assert_allclose(energies["energies"], np.log(np.exp(logits).sum(1)), rtol=1e-5)
    np.testing.assert_array_equal(posteriors["classes"], np.unique(predicted))
    expected = [p[predicted == c].mean(axis=0) for c in np.unique(predicted)]
    np.testing.assert_allclose(posteriors["posteriors"], expected, rtol=1e-6)


def test_the_clip_threshold_is_a_quantile_of_all_activations():
    assert fitting.clip_threshold(FEATURES, quantile=0.9) == pytest.approx(
        np.quantile(FEATURES, 0.9)
    )
    with pytest.raises(ValueError, match=r"clip_quantile must be in \(0, 1\), got 90"):
        fitting.clip_threshold(FEATURES, quantile=90.0)


def test_kmeans_is_as_tight_as_scikit_learns():
    rows = np.concatenate([FEATURES, FEATURES + 40, FEATURES * 3 - 60])

    labels = kmeans(rows, clusters=6, seed=0)

    centres = np.stack([rows[labels == c].mean(axis=0) for c in range(6)])
    inertia = ((rows - centres[labels]) ** 2).sum()
    assert inertia < 1.01 * KMeans(6, n_init=5, random_state=0).fit(rows).inertia_
    np.testing.assert_array_equal(labels, kmeans(rows, clusters=6, seed=0))


@pytest.mark.parametrize("seed", range(4))
def test_kmeans_finds_ten_separated_clusters_from_any_seed(seed):
    """One plain draw of ten starts two of them in one cluster and leaves two others together."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 10, 600)
    rows = 4 * rng.standard_normal((10, 16))[classes] + rng.standard_normal((600, 16))

    labels = kmeans(rows.astype(np.float32), clusters=10, seed=seed)

    pairs = {(int(c), int(label)) for c, label in zip(classes, labels, strict=True)}
    assert len(pairs) == 10


def test_kmeans_tries_starts_on_a_sample_and_ends_on_all_rows(monkeypatch):
    monkeypatch.setattr(clusters, "_SAMPLE", 40)
    monkeypatch.setattr(clusters, "_SAMPLE_A_CLUSTER", 2)
    labels = kmeans(FEATURES, clusters=3, seed=0)
    centres = np.stack([FEATURES[labels == c].mean(axis=0) for c in range(3)])
    np.testing.assert_array_equal(labels, ((FEATURES[:, None] - centres) ** 2).sum(2).argmin(1))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"clusters": 0}, "clusters .* at least 1, or null for as many as .* classes, got 0"),
        ({"clusters": -3}, "got -3"),
        ({"restarts": 0}, "restarts .* must be at least 1, got 0"),
        ({"seed": -1}, "seed .* must be 0 or more, got -1"),
    ],
)
def test_numbers_that_no_kmeans_can_have_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        fitting.GaussianSpec(classes="kmeans", **spec)


def test_a_row_joins_the_nearest_centre_at_its_squared_distance():
    centres = np.array([[0.0, 0.0], [3.0, 4.0]])
    labels, distances = clusters._assign(np.array([[3.0, 6.0], [1.0, 0.0]]), centres)
    np.testing.assert_array_equal(labels, [1, 0])
    np.testing.assert_allclose(distances, [4, 1])


def test_kmeans_of_equal_rows_fills_every_cluster():
    assert set(kmeans(np.ones((5, 2)), clusters=5, seed=0)) == set(range(5))
    with pytest.raises(ValueError, match="between 1 and the 5 rows, got 6"):
        kmeans(np.ones((5, 2)), clusters=6, seed=0)
    with pytest.raises(ValueError, match="restarts must be at least 1, got 0"):
        kmeans(np.ones((5, 2)), clusters=2, seed=0, restarts=0)


def test_unit_norm_gaussians_see_directions_only():
    labels = np.arange(300) % 2
    spec = fitting.GaussianSpec(norm="unit")
    plain, facts = fitting.fit_gaussians(FEATURES, labels, spec, ["a", "b"])
    scale = RNG.uniform(1, 5, (300, 1)).astype(np.float32)
    scaled, _ = fitting.fit_gaussians(FEATURES * scale, labels, spec, ["a", "b"])
    np.testing.assert_allclose(plain["centre"], scaled["centre"], atol=1e-6)
    np.testing.assert_allclose(plain["centre"], unit_norm(FEATURES).mean(axis=0), atol=1e-6)
    assert facts["norm"] == "unit"


@pytest.mark.parametrize("space", ["features", "unit", "logits", "logits of 3"])
def test_gaussians_do_not_whiten_the_rounding_of_a_float16_store(space):
    """A bank of rank 3: what else its covariance shows was made by the store."""
    rng = np.random.default_rng(0)
    bank = 2 + rng.standard_normal((600, 3)) @ rng.standard_normal((3, 8))
    bank = bank.astype(np.float16).astype(np.float32)
    rows = logits_of(bank, random_head(3 if space == "logits of 3" else 5))
    rows = rows if space.startswith("logits") else bank
    norm = "unit" if space == "unit" else "stored"
    # on the sphere the bank, whose mean is not of its span, is curved into a fourth direction
    lost = {"features": 5, "unit": 4, "logits": 2, "logits of 3": 0}[space]

    def fit(shrinkage):
        spec = fitting.GaussianSpec(norm=norm, shrinkage=shrinkage)
        labels = np.arange(600) % 2
        return fitting.fit_gaussians(rows, labels, spec, ["a", "b"], dtype="float16")[1]

    facts = fit("auto")

    assert facts["directions_lost"] == lost
    assert facts["shrinkage_used"] == ("ledoit_wolf" if lost else "none")
    assert facts["condition_number_before_shrinking"] < 1e11  # looks fit for an inverse
    if lost:
        with pytest.raises(ValueError, match=f"{lost} of .* vary no more than that; use shrinkage"):
            fit("none")
