"""Linear probing: the recipe step by step, and against torch's own loop."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.training.heads import Probe, read_probe, write_probe
from pipeline.training.moments import Moments
from pipeline.training.probe import fit_probe, initial_layer, train_probe
from pipeline.training.probe_recipe import ProbeParams, ProbeRecipe
from pipeline.training.probe_rows import ResidentRows
from pipeline.training.probe_targets import few_shot, from_labels, from_pseudo_labels
from pipeline.training.softmax_layer import CPU_ROWS, SoftmaxLayer

QUICK = ProbeRecipe(epochs=5, batch_size=16)


def blobs(seed, *, n=90, d=8, c=3):
    """Features of very different scales around one centre a class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % c
    features = rng.normal(size=(c, d))[labels] * 4 + rng.normal(size=(n, d))
    scales = 10.0 ** rng.uniform(-3, 3, size=d)
    return (features * scales + 5 * scales).astype(np.float32), labels.astype(np.int32)


def naive_probe(features, labels, *, classes, recipe, seed):
    """The same recipe in torch's own words: Linear, Adam, LambdaLR, one batch at a time."""
    x = (features - features.mean(0, dtype=np.float64)) / features.std(0, dtype=np.float64)
    x, y = torch.from_numpy(x.astype(np.float32)), torch.from_numpy(labels)
    y = y.long() if y.ndim == 1 else y
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(x.shape[1], classes)
    bound = x.shape[1] ** -0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    per_epoch = -(-len(x) // recipe.batch_size)
    steps = per_epoch * recipe.epochs
    climb = round(0.1 * steps)

    def factor(done):
        step = done + 1
        if step <= climb:
            return step / climb
        return 0.5 * (1 + np.cos(np.pi * (step - climb) / (steps - climb)))

    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(x), generator=generator).split(recipe.batch_size):
            optimiser.zero_grad()
            nn.functional.cross_entropy(layer(x[rows]), y[rows]).backward()
            optimiser.step()
            schedule.step()
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


@pytest.mark.parametrize("soft", [False, True])
def test_agrees_with_torchs_own_loop(soft):
    """90 rows in batches of 16: the last batch of an epoch holds 10."""
    features, labels = blobs(0)
    if soft:
        labels = np.random.default_rng(0).dirichlet(np.ones(3), size=90).astype(np.float32)

    probe = train_probe(features, labels, classes=3, recipe=QUICK, seed=42)
    weight, bias = naive_probe(features, labels, classes=3, recipe=QUICK, seed=42)

    np.testing.assert_allclose(probe.weight, weight, atol=2e-6)
    np.testing.assert_allclose(probe.bias, bias, atol=2e-6)


@pytest.mark.parametrize("soft", [False, True])
def test_gradients_agree_with_autograds(soft):
    """Of batches that take several passes over the logits, and of a smaller one after them."""
    generator = torch.Generator().manual_seed(0)
    size = 2 * CPU_ROWS + 5
    start = initial_layer(4, 6, generator=generator)
    weight, bias = (part.clone().requires_grad_() for part in start)
    layer = SoftmaxLayer(*start, rows=size)
    for rows in (size, 7):
        batch = torch.randn(rows, 6, generator=generator)
        targets = torch.randint(4, (rows,), generator=generator)
        if soft:
            targets = torch.randn(rows, 4, generator=generator).softmax(dim=1)
        weight.grad = bias.grad = None
        loss = nn.functional.cross_entropy(nn.functional.linear(batch, weight, bias), targets)
        loss.backward()

        total = layer.backward(batch, targets)

        torch.testing.assert_close(total / rows, loss.detach(), rtol=1e-6, atol=0)
        torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=0, atol=1e-7)
        torch.testing.assert_close(layer.bias.grad, bias.grad, rtol=0, atol=1e-7)


def test_a_gradient_by_hand():
    """Equal logits of two classes: G is (1/2, -1/2) for class 1, the loss log 2."""
    layer = SoftmaxLayer(torch.zeros(2, 1), torch.zeros(2), rows=1)

    total = layer.backward(torch.tensor([[3.0]]), torch.tensor([1]))

    assert total.item() == pytest.approx(np.log(2))
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[1.5], [-1.5]]))
    torch.testing.assert_close(layer.bias.grad, torch.tensor([0.5, -0.5]))


def test_rate_at_three_points_by_hand():
    """1000 rows in batches of 300 are 4 steps an epoch, 400 in all: the climb takes 40."""
    recipe = ProbeRecipe(batch_size=300)
    steps = recipe.steps(1000)

    assert steps == 400
    assert recipe.rate(1, steps) == pytest.approx(1e-3 / 40)
    assert recipe.rate(40, steps) == pytest.approx(1e-3)
    assert recipe.rate(220, steps) == pytest.approx(5e-4)
    assert recipe.rate(400, steps) == pytest.approx(0, abs=1e-12)


def test_a_single_step_is_made_at_the_peak():
    """A rate of 0 would leave the weights where they started."""
    features, labels = blobs(1)
    recipe = ProbeRecipe(epochs=1, batch_size=90)
    start, _ = initial_layer(3, 8, generator=torch.Generator().manual_seed(0))

    probe = train_probe(features, labels, classes=3, recipe=recipe, seed=0)

    assert recipe.rate(1, 1) == 1e-3
    np.testing.assert_allclose(np.abs(probe.weight - start.numpy()), 1e-3, rtol=1e-3)


def test_a_few_steps_reach_the_peak_and_end_at_zero():
    """Four steps have a warm-up of round(0.4) = 0: the first step is the peak."""
    rates = [ProbeRecipe().rate(step, 4) for step in range(1, 5)]

    assert rates == pytest.approx([1e-3, 7.5e-4, 2.5e-4, 0], abs=1e-12)


def test_few_rows_are_told_to_make_too_few_steps():
    """200 rows in batches of 256: one step an epoch. The cure makes as many as are wanted."""
    recipe = ProbeRecipe()

    assert recipe.warning(200) == (
        "100 steps in all on 200 rows move a weight by at most about 0.05, so that the head has "
        "hardly settled; smaller batches make more steps, as -S probe.batch_size=40"
    )
    assert ProbeRecipe(batch_size=40).warning(200) == ""
    assert recipe.warning(50_000) == ""
    assert ProbeRecipe(batch_size=1).warning(2) == ""  # there is no smaller batch


def test_separable_classes_are_learned():
    features, labels = blobs(1)

    probe = train_probe(features, labels, classes=3, recipe=ProbeRecipe(batch_size=16), seed=0)

    assert (probe.logits(features).argmax(1) == labels).mean() > 0.97


def test_same_seed_same_bytes_other_seed_other_head(tmp_path):
    features, labels = blobs(2)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_probe(
            tmp_path / name, train_probe(features, labels, classes=3, recipe=QUICK, seed=seed)
        )

    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_global_generator_is_left_alone():
    features, labels = blobs(2)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()

    train_probe(features, labels, classes=3, recipe=QUICK, seed=1)

    assert torch.equal(before, torch.random.get_rng_state())


def test_scale_and_shift_of_the_features_do_not_matter():
    features, labels = blobs(3)
    scale = np.float32(2) ** np.arange(8, dtype=np.float32)

    plain = train_probe(features, labels, classes=3, recipe=QUICK, seed=1)
    scaled = train_probe(features * scale, labels, classes=3, recipe=QUICK, seed=1)

    np.testing.assert_allclose(
        plain.logits(features), scaled.logits(features * scale), rtol=1e-3, atol=1e-4
    )


def test_one_hot_probabilities_are_labels():
    features, labels = blobs(4)
    soft = np.eye(3, dtype=np.float32)[labels]

    hard_probe = train_probe(features, labels, classes=3, recipe=QUICK, seed=1)
    soft_probe = train_probe(features, soft, classes=3, recipe=QUICK, seed=1)

    np.testing.assert_allclose(hard_probe.weight, soft_probe.weight, atol=1e-5)


def test_a_constant_dimension_does_no_harm():
    """It is neither divided by zero nor blown up when a query differs from it."""
    features, labels = blobs(5)
    features[:, 2] = np.float32(0.1)

    probe = train_probe(features, labels, classes=3, recipe=QUICK, seed=1)
    other = features.copy()
    other[:, 2] += 1

    assert probe.std[2] == 1
    assert np.isfinite(probe.logits(other)).all()
    assert np.abs(probe.logits(other) - probe.logits(features)).max() < 1


def test_a_class_without_rows_never_wins():
    features, labels = blobs(6)

    probe = train_probe(features, labels, classes=4, recipe=ProbeRecipe(batch_size=16), seed=1)

    assert probe.weight.shape == (4, 8)
    assert 3 not in probe.logits(features).argmax(1)


def test_moments_do_not_depend_on_blocks():
    """A mean of 1e4 with a deviation of 1: sums of squares would cancel in float32."""
    rng = np.random.default_rng(0)
    values = (1e4 + rng.normal(size=(500, 3))).astype(np.float32)
    moments = Moments()
    for start in range(0, 500, 37):
        moments.add(values[start : start + 37])

    mean, std = moments.mean_and_std()

    np.testing.assert_allclose(mean, values.mean(0, dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(std, values.std(0, dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e15])
def test_what_counts_as_constant_does_not_depend_on_the_scale(scale):
    """At 1e-20 every dimension was constant before, and nothing was learned."""
    values = scale * np.random.default_rng(0).normal(size=(400, 4))
    values[:, 1] = 3 * scale
    values[:, 2] *= 1e-13  # rounding, where the others are signal
    values[:, 3] = 0
    moments = Moments()
    moments.add(values.astype(np.float32))

    _, std = moments.mean_and_std()

    assert std[0] == pytest.approx(scale, rel=0.1)
    assert std[1:].tolist() == [1, 1, 1]


def test_a_bad_row_of_a_later_block_is_named():
    moments = Moments()
    moments.add(np.zeros((5, 2), np.float32))

    with pytest.raises(ValueError, match="row 6"):
        moments.add(np.array([[0, 0], [0, np.inf]], np.float32))


def test_progress_hears_of_every_epoch():
    features, labels = blobs(8)
    heard = []

    _, losses = fit_probe(
        ResidentRows.of(features, labels),
        classes=3,
        recipe=QUICK,
        seed=0,
        progress=lambda *told: heard.append(told),
    )

    assert [(done, total) for done, total, _ in heard] == [(e, 5) for e in range(1, 6)]
    assert [loss for *_, loss in heard] == losses
    assert losses[-1] < losses[0]


def test_round_trip(tmp_path):
    features, labels = blobs(9)
    probe = train_probe(features, labels, classes=3, recipe=QUICK, seed=0)

    write_probe(tmp_path / "head.safetensors", probe)

    np.testing.assert_array_equal(
        read_probe(tmp_path / "head.safetensors").logits(features), probe.logits(features)
    )


def test_logits_by_hand():
    probe = Probe(
        weight=np.array([[1, 0], [2, -1]], np.float32),
        bias=np.array([0.5, 0], np.float32),
        mean=np.array([1, 1], np.float32),
        std=np.array([2, 4], np.float32),
    )

    np.testing.assert_allclose(probe.logits(np.array([[3, 5]], np.float32)), [[1.5, 1.0]])


def test_features_of_another_width_are_refused():
    features, labels = blobs(9)
    probe = train_probe(features, labels, classes=3, recipe=QUICK, seed=0)

    with pytest.raises(ValueError, match="trained on features of width 8, got width 7"):
        probe.logits(features[:, :7])


def test_nan_is_refused_by_row():
    features, labels = blobs(9)
    features[4, 1] = np.nan

    with pytest.raises(ValueError, match="row 4"):
        train_probe(features, labels, classes=3, recipe=QUICK, seed=0)


@pytest.mark.parametrize(("rows", "labels"), [(90, 89), (89, 90), (0, 0), (0, 90)])
def test_rows_and_labels_that_differ_in_number_are_refused(rows, labels):
    features, classes = blobs(9)

    message = f"one or more rows with one label each, got {rows} rows and {labels} labels"
    with pytest.raises(ValueError, match=message):
        train_probe(features[:rows], classes[:labels], classes=3, recipe=QUICK, seed=0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, 0.5], r"one probability a class, \[90 3\], got the shape \[90, 2\]"),
        ([0.5, 0.5, 0.5], "add up to 1 in each row, row 0 holds"),
        ([1.5, -0.5, 0.0], "must be 0 or more"),
        ([np.nan, 0.5, 0.5], "must be 0 or more"),
    ],
)
def test_soft_labels_that_are_no_probabilities_are_refused(row, message):
    features, _ = blobs(9)
    soft = np.tile(np.array(row, np.float32), (90, 1))

    with pytest.raises(ValueError, match=message):
        train_probe(features, soft, classes=3, recipe=QUICK, seed=0)


@pytest.mark.parametrize("bad", [3, -1])
def test_labels_out_of_range_are_refused(bad):
    features, labels = blobs(9)
    labels[0] = bad

    with pytest.raises(ValueError, match=r"labels must be in 0 \.\. 2, got .*" + str(bad)):
        train_probe(features, labels, classes=3, recipe=QUICK, seed=0)


def test_an_id_class_without_training_rows_is_named():
    with pytest.raises(ValueError, match="ID class 1 'b' has no training row"):
        from_labels(np.array([0, 2], np.int32), ["a", "b", "c"])


def test_a_dead_pseudo_class_is_told_not_refused():
    targets = from_pseudo_labels(
        np.array([0, 3]), np.array([0, 2], np.int32), bank_rows=4, classes=3
    )

    assert targets.dead == [1]
    assert targets.values.tolist() == [0, -1, -1, 2]


def test_few_shot_takes_as_many_of_each_class():
    labels = (np.arange(60) % 3).astype(np.int32)

    targets = few_shot(labels, ["a", "b", "c"], shots=4, seed=1)

    assert np.bincount(labels[targets.rows]).tolist() == [4, 4, 4]
    again = few_shot(labels, ["a", "b", "c"], shots=4, seed=1)
    np.testing.assert_array_equal(targets.rows, again.rows)


def test_few_shot_of_a_small_class_is_refused():
    with pytest.raises(ValueError, match="shots = 4 .* class 2 'c' has 1"):
        few_shot(np.array([0] * 5 + [1] * 5 + [2], np.int32), ["a", "b", "c"], shots=4, seed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"warmup": 1.0}, r"warmup must be in \[0, 1\)"),
        ({"learning_rate": -1e-3}, "learning_rate must be above 0, got -0.001"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, got nan"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more, got -1.0"),
        ({"memory_gib": -1.0}, "memory_gib must be above 0, or null .* got -1.0"),
        ({"memory_gib": 0.0}, "memory_gib must be above 0, or null .* got 0.0"),
        ({"device": "gpu"}, "device must be one of auto, cpu, cuda, got 'gpu'"),
        ({"seeds": ()}, "one or more different"),
        ({"seeds": (1, 1)}, "one or more different"),
        ({"seeds": (42, -1)}, r"probe.seeds must be in 0 .. 2\^63 - 1, got -1$"),
        ({"seeds": (2**63,)}, r"probe.seeds must be in 0 .. 2\^63 - 1, got 9223372036854775808$"),
        ({"shots": -1}, "shots must be 0 or more"),
    ],
)
def test_parameters_that_cannot_train_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ProbeParams(**options)
