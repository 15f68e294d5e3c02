"""Linear probing: one linear layer with bias on standardised features, trained by Adam."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from pipeline.training.heads import Probe
from pipeline.training.probe_recipe import ProbeRecipe
from pipeline.training.probe_rows import ResidentRows, Rows

SMALL = 100_000_000  # multiplications of one step's logits


def train_probe(
    features: Float[np.ndarray, "n d"],
    labels: Shaped[np.ndarray, "n ..."],
    *,
    classes: int,
    recipe: ProbeRecipe,
    seed: int,
    device: str = "cpu",
) -> Probe:
    """Train a linear probe on labels, pseudo-labels or class probabilities.

    Args:
        features: Raw rows; standardised here by their own mean and deviation.
        labels: Classes in [0, c), or probabilities [n c] for soft pseudo-labels.
        classes: Number of classes c. A class without rows only loses its chance to win.
        recipe: Epochs, batch, rates.
        seed: Of the initial weights and of every epoch's order.
        device: Where to train.

    Raises:
        ValueError: If features are not finite, labels are out of range, there are fewer than two
            classes, or the loss is not finite.
    """
    if labels.ndim == 1 and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels must be in 0 .. {classes - 1}, got {labels.min()} .. {labels.max()}"
        )
    rows = ResidentRows.of(features, labels, device=device)
    return fit_probe(rows, classes=classes, recipe=recipe, seed=seed)[0]


def fit_probe(
    rows: Rows,
    *,
    classes: int,
    recipe: ProbeRecipe,
    seed: int,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int, float], None] | None = None,
) -> tuple[Probe, list[float]]:
    """Train a probe on rows wherever they are; return it with the mean loss of each epoch.

    Args:
        rows: Standardised batches.
        classes: Number of classes c.
        recipe: Epochs, batch, rates.
        seed: Of the initial weights and of every epoch's order.
        device: Where the weights are trained.
        progress: Called after each epoch with epochs done, epochs in all and the mean loss.

    Raises:
        ValueError: If there are fewer than two classes, or the loss is not finite.
    """
    if classes < 2:
        raise ValueError(
            f"a probe needs at least two classes to tell apart, got {classes}; give the ID set "
            "more classes, or use scores without a head (knn, mahalanobis)"
        )
    with threads_for(recipe.batch_size * rows.width * classes):
        return _fit(
            rows, classes=classes, recipe=recipe, seed=seed, device=device, progress=progress
        )


def _fit(
    rows: Rows,
    *,
    classes: int,
    recipe: ProbeRecipe,
    seed: int,
    device: str | torch.device,
    progress: Callable[[int, int, float], None] | None,
) -> tuple[Probe, list[float]]:
    generator = torch.Generator().manual_seed(seed)
    weight, bias = initial_layer(classes, rows.width, generator=generator)
    parameters = [p.to(device).requires_grad_() for p in (weight, bias)]
    optimiser = torch.optim.Adam(
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    step, steps = 0, recipe.steps(len(rows))
    losses: list[float] = []
    for epoch in range(recipe.epochs):
        total = torch.zeros((), device=device)
        for batch, targets in rows.batches(recipe.batch_size, generator):
            step += 1
            optimiser.param_groups[0]["lr"] = recipe.rate(step, steps)
            loss = F.cross_entropy(F.linear(batch, *parameters), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(batch)  # read once an epoch: no waiting for the device
        losses.append(float(total) / len(rows))
        if not math.isfinite(losses[-1]):
            raise ValueError(
                f"the probe's loss is {losses[-1]} after epoch {epoch + 1}; lower "
                f"probe.learning_rate (now {recipe.learning_rate})"
            )
        if progress is not None:
            progress(epoch + 1, recipe.epochs, losses[-1])
    weight, bias = (p.detach().cpu().numpy() for p in parameters)
    return Probe(weight, bias, rows.mean, rows.std), losses


@contextmanager
def threads_for(products: int) -> Iterator[None]:
    """Use one thread for steps so small that threads would mostly wait for each other.

    On a busy machine they made a small head 10 times slower; and its bytes then do not depend on
    the number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if products < SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def initial_layer(classes: int, width: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return torch's own start of a linear layer: uniform within 1 / sqrt(width)."""
    bound = 1 / math.sqrt(width)
    weight = torch.empty(classes, width).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(classes).uniform_(-bound, bound, generator=generator)
    return weight, bias


@torch.inference_mode()
def training_accuracy(probe: Probe, rows: Rows, *, device: str | torch.device = "cpu") -> float:
    """Return the share of training rows whose highest logit is their (likeliest) target."""
    weight = torch.from_numpy(probe.weight).to(device)
    bias = torch.from_numpy(probe.bias).to(device)
    right = 0
    for batch, targets in rows.batches(8192, torch.Generator().manual_seed(0)):
        wanted = targets if targets.ndim == 1 else targets.argmax(dim=1)
        right += int((F.linear(batch, weight, bias).argmax(dim=1) == wanted).sum())
    return right / len(rows)
