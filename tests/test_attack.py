"""The attack: its smoothness term, its steps, its budgets and its rounding."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.attacks import objectives
from pipeline.attacks.objectives import (
    cosine_to,
    energy_of,
    mahalanobis_of,
    mcm_of,
)
from pipeline.attacks.push import best_of, push, roughness, to_levels
from pipeline.attacks.spec import Budget, CraftSpec, craft_spec


def tiny_encoder(seed=0, size=12, width=8):
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(16, 3, 3, 3, generator=generator) / 5
    second = torch.randn(width, 16, generator=generator)

    def encode(pixels):
        hidden = F.conv2d(pixels * 4 - 2, first, stride=2).tanh()
        return hidden.mean((2, 3)) @ second.T

    return encode


def images(n=4, size=12, seed=1):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (n, 3, size, size))).float() / 255


def naive_roughness(p):
    channels, height, width = p.shape
    vertical = [
        (p[c, i + 1, j] - p[c, i, j]) ** 2
        for c in range(channels)
        for i in range(height - 1)
        for j in range(width)
    ]
    horizontal = [
        (p[c, i, j + 1] - p[c, i, j]) ** 2
        for c in range(channels)
        for i in range(height)
        for j in range(width - 1)
    ]
    return np.mean(vertical) + np.mean(horizontal)


def test_roughness_by_hand():
    """One row 0, 1, 3: squared differences 1 and 4, mean 2.5; no vertical change in two rows."""
    p = torch.tensor([[[[0.0, 1.0, 3.0], [0.0, 1.0, 3.0]]]])
    assert roughness(p).tolist() == [2.5]


def test_roughness_agrees_with_the_definition():
    p = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
    np.testing.assert_allclose(roughness(p), [naive_roughness(q.numpy()) for q in p], rtol=1e-12)


def test_gradient_of_roughness_agrees_with_finite_differences():
    p = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 4, 5))).requires_grad_()
    (gradient,) = torch.autograd.grad(roughness(p).sum(), p)
    step = 1e-6
    for index in np.ndindex(*p.shape):
        shift = torch.zeros_like(p)
        shift[index] = step
        up, down = roughness((p + shift).detach()).sum(), roughness((p - shift).detach()).sum()
        assert gradient[index].item() == pytest.approx(((up - down) / (2 * step)).item(), abs=1e-7)


def reference_loop(encode, source, noise, target, spec):
    """PROTOCOL's words, one image: Adam on p, clamp the image at the start and after each step."""
    p = ((source + noise).clamp(0, 1) - source).clone().requires_grad_()
    optimiser = torch.optim.Adam([p], lr=spec.learning_rate)
    for _ in range(spec.steps):
        optimiser.zero_grad()
        features = encode((source + p)[None])[0]
        vertical = (p[:, 1:] - p[:, :-1]).pow(2).mean()
        horizontal = (p[:, :, 1:] - p[:, :, :-1]).pow(2).mean()
        cosine = features @ target / features.norm() / target.norm()
        (-cosine + spec.smoothness * (vertical + horizontal)).backward()
        optimiser.step()
        with torch.no_grad():
            p.copy_((source + p).clamp(0, 1) - source)
    return (source + p.detach()).clamp(0, 1)


@pytest.mark.parametrize("smoothness", [0.0, 5e3])
def test_push_follows_the_plain_loop_for_each_image_alone(smoothness):
    spec = CraftSpec(ood="x", smoothness=smoothness, steps=20)
    encode, sources = tiny_encoder(), images()
    noise = 1e-3 * torch.randn(sources.shape, generator=torch.Generator().manual_seed(3))
    targets = encode(images(seed=2))

    pushed = push(sources, noise, encode=encode, objective=cosine_to(targets), spec=spec)

    for i in range(len(sources)):
        alone = reference_loop(encode, sources[i], noise[i], targets[i], spec)
        np.testing.assert_allclose(pushed[i], alone, atol=2e-5)


def test_pushing_raises_the_cosine_and_smoothness_smooths():
    encode, sources = tiny_encoder(), images()
    noise = torch.zeros_like(sources)
    targets = encode(images(seed=2))
    objective = cosine_to(targets)
    rough, smooth = (
        push(
            sources,
            noise,
            encode=encode,
            objective=objective,
            spec=CraftSpec(ood="x", smoothness=weight, steps=60),
        )
        for weight in (0.0, 5e3)
    )
    before = objective(encode(sources))
    assert (objective(encode(rough)) > before).all()
    assert (objective(encode(smooth)) > before).all()
    assert (roughness(smooth - sources) < 0.1 * roughness(rough - sources)).all()
    assert rough.min() >= 0
    assert rough.max() <= 1


def test_snapshots_see_the_point_before_each_step():
    seen = []
    encode, sources = tiny_encoder(), images()
    push(
        sources,
        torch.zeros_like(sources),
        encode=encode,
        objective=cosine_to(encode(images(seed=2))),
        spec=CraftSpec(ood="x", steps=3),
        on_step=lambda step, features, value, p: seen.append((step, features, p.abs().max())),
    )
    assert [step for step, _, _ in seen] == [0, 1, 2]
    torch.testing.assert_close(seen[0][1], encode(sources))
    assert seen[0][2] == 0


@pytest.mark.parametrize(
    ("norm", "epsilon", "step"), [("linf", 4 / 255, 1 / 255), ("l2", 0.5, 0.1)]
)
def test_a_budget_holds_in_the_rounded_file(norm, epsilon, step):
    spec = CraftSpec(
        ood="x",
        smoothness=0.0,
        steps=15,
        noise=0.02,
        budget=Budget(norm=norm, epsilon=epsilon, step=step),
    )
    encode, sources = tiny_encoder(), images()
    noise = 0.02 * torch.randn(sources.shape, generator=torch.Generator().manual_seed(3))
    objective = cosine_to(encode(images(seed=2)))

    pushed = push(sources, noise, encode=encode, objective=objective, spec=spec)
    change = to_levels(pushed, sources, budget=spec.budget).float() / 255 - sources

    sizes = change.flatten(1).abs().amax(1) if norm == "linf" else change.flatten(1).norm(dim=1)
    assert (sizes <= epsilon + 1e-6).all()
    assert (sizes > 0.5 * epsilon).all()
    assert (objective(encode(sources + change)) > objective(encode(sources))).all()


def test_rounding_without_a_budget_is_to_the_nearest_level():
    sources = torch.full((1, 3, 1, 2), 10 / 255)
    wanted = torch.tensor([10.4, 10.6]).expand(1, 3, 1, 2) / 255
    assert to_levels(wanted, sources)[0, 0, 0].tolist() == [10, 11]


def test_the_best_restart_wins_for_each_image():
    assert best_of([torch.tensor([0.1, 0.9]), torch.tensor([0.2, 0.3])]).tolist() == [1, 0]


def test_an_encoder_without_a_gradient_is_refused():
    sources = images()
    with pytest.raises(ValueError, match="without a gradient"):
        push(
            sources,
            torch.zeros_like(sources),
            encode=lambda pixels: pixels.detach().mean((2, 3)),
            objective=cosine_to(torch.ones(4, 3)),
            spec=CraftSpec(ood="x", steps=1),
        )


@pytest.mark.parametrize(("steps", "bad"), [(25, 0), (25, 9), (25, 13), (25, 24), (1, 0)])
def test_a_gradient_that_is_not_finite_is_told_with_its_step(steps, bad):
    """Looked for now and then: what a step later becomes of it does not hide the first one."""
    encode, sources, calls = tiny_encoder(), images(), iter(range(99))
    with pytest.raises(ValueError, match=f"not after {bad} steps; set precision: float32, or low"):
        push(
            sources,
            torch.zeros_like(sources),
            encode=lambda pixels: encode(pixels) * (torch.nan if next(calls) == bad else 1.0),
            objective=cosine_to(torch.ones(4, 8)),
            spec=CraftSpec(ood="x", steps=steps),
        )


def test_steps_do_not_wait_for_the_device(monkeypatch):
    """Reading a tensor's truth or number does; 25 steps read three lists of ten at most."""
    looks, tolist = [], torch.Tensor.tolist
    for name in ("__bool__", "__float__", "item"):
        monkeypatch.setattr(torch.Tensor, name, None)
    monkeypatch.setattr(torch.Tensor, "tolist", lambda t: looks.append(len(t)) or tolist(t))
    sources = images()
    push(
        sources,
        torch.zeros_like(sources),
        encode=tiny_encoder(),
        objective=cosine_to(torch.ones(4, 8)),
        spec=CraftSpec(ood="x", steps=25, smoothness=0.0, budget=Budget("linf", 0.1, 0.01)),
    )
    assert looks == [10, 10, 5]


def test_objectives_by_hand():
    features = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert cosine_to(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))(features).tolist() == pytest.approx(
        [0.6, 1.0]
    )
    identity = torch.eye(2)
    mcm = mcm_of(identity, None)(features).exp().tolist()
    assert mcm == pytest.approx([1 / (1 + np.exp(-0.2)), 1 / (1 + np.exp(-1))])
    energy = energy_of(identity, torch.zeros(2), torch.zeros(2), torch.ones(2))(features)
    assert energy.tolist() == pytest.approx([np.logaddexp(3, 4), np.logaddexp(0, 1)])
    distance = mahalanobis_of(identity, torch.tensor([[3.0, 0.0], [0.0, 0.0]]))(features)
    assert distance.tolist() == [-16.0, -1.0]


class Largest(TorchDispatchMode):
    """The most numbers that one tensor of these operations holds."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: D105
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


def test_mahalanobis_agrees_with_the_definition_and_holds_few_differences(monkeypatch):
    """20 rows and 7 means of 6 dimensions: 840 differences, of which 100 may be held at once."""
    monkeypatch.setattr(objectives, "DIFFERENCES", 100)
    rng = torch.Generator().manual_seed(0)
    whitening, means = (torch.randn(n, 6, generator=rng) for n in (5, 7))
    features = torch.randn(20, 5, generator=rng, requires_grad=True)
    with Largest() as largest:
        value = mahalanobis_of(whitening, means)(features)
        (gradient,) = torch.autograd.grad(value.sum(), features)

    squared = ((features @ whitening)[:, None, :] - means).square().sum(dim=2)
    expected = -squared.amin(dim=1)
    assert torch.equal(value, expected)
    assert torch.equal(gradient, torch.autograd.grad(expected.sum(), features)[0])
    assert largest.numbers <= 20 * 7


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"smoothness": 5e3, "budget": {"norm": "l2", "epsilon": 1.0, "step": 0.1}}, "contradict"),
        ({"smoothness": 0, "budget": {"norm": "l2", "epsilon": 1.0, "step": 2.0}}, "budget.step"),
        ({"smoothness": 0, "budget": {"norm": "linf", "epsilon": 1e-3, "step": 1e-4}}, "1/255"),
        ({"smoothness": -1.0}, "not negative"),
        ({"steps": 0}, "at least 1"),
        ({"learning_rate": 0.0}, "positive"),
        ({"restarts": 2, "noise": 0.0}, "restarts"),
        ({"lambda": 0.0}, "unknown parameter 'datasets.smooth.lambda'"),
        ({"target": "farthest"}, "must be one of"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        craft_spec({"source": "craft", "ood": "greek", **wrong}, defaults={}, name="smooth")


def test_a_data_set_overrides_the_section():
    spec = craft_spec({"ood": "greek", "steps": 5}, defaults={"steps": 9, "seed": 3}, name="a")
    assert (spec.steps, spec.seed, spec.snapshots) == (5, 3, (0, 5))
