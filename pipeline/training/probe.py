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
from pipeline.training.probe_rows import ResidentRows
from pipeline.training.probe_targets import check_labels
from pipeline.training.softmax_layer import SoftmaxLayer
from pipeline.training.streamed_rows import StreamedRows

Rows = ResidentRows | StreamedRows
SMALL = 100_000_000  # multiplications of one step's logits


def train_probe(
    features: Float[np.ndarray, "n d"],
    labels: Shaped[np.ndarray, "m ..."],
    *,
    classes: int,
    recipe: ProbeRecipe,
    seed: int,
    device: str = "cpu",
) -> Probe:
    """Train a linear probe on labels, pseudo-labels or class probabilities.

    Args:
        features: Raw rows; standardised here by their own mean and deviation.
        labels: Classes in [0, c), or probabilities [n c] for soft pseudo-labels; one a row.
        classes: Number of classes c. A class without rows only loses its chance to win.
        recipe: Epochs, batch, rates.
        seed: Of the initial weights and of every epoch's order.
        device: Where to train.

    Raises:
        ValueError: If there are no rows, rows and labels differ in number, features are not finite,
            labels are out of range, there are fewer than two classes, or the loss is not finite.
    """
    check_labels(labels, rows=len(features), classes=classes)
    rows = ResidentRows.of(features, labels, device=device)
    return fit_probe(rows, classes=classes, recipe=recipe, seed=seed)[0]


def fit_probe(
    rows: Rows,
    *,
    classes: int,
    recipe: ProbeRecipe,
    seed: int,
    progress: Callable[[int, int, float], None] | None = None,
) -> tuple[Probe, list[float]]:
    """Train a probe on rows wherever they are; return it with the mean loss of each epoch.

    Args:
        rows: Standardised batches, and the device where the weights are trained.
        classes: Number of classes c.
        recipe: Epochs, batch, rates.
        seed: Of the initial weights and of every epoch's order.
        progress: Called after each epoch with epochs done, epochs in all and the mean loss.

    Raises:
        ValueError: If there are fewer than two classes, or the loss is not finite.
    """
    if classes < 2:
        raise ValueError(
            f"a probe needs at least two classes to tell apart, got {classes}; give the ID set "
            "more classes, or use scores without a head (knn, mahalanobis)"
        )
    with threads_for(recipe.batch_size * rows.width * classes), torch.inference_mode():
        return _fit(rows, classes=classes, recipe=recipe, seed=seed, progress=progress)


def _fit(
    rows: Rows,
    *,
    classes: int,
    recipe: ProbeRecipe,
    seed: int,
    progress: Callable[[int, int, float], None] | None,
) -> tuple[Probe, list[float]]:
    generator = torch.Generator().manual_seed(seed)
    weight, bias = initial_layer(classes, rows.width, generator=generator)
    layer = SoftmaxLayer(
        weight.to(rows.device), bias.to(rows.device), rows=min(recipe.batch_size, len(rows))
    )
    parameters = [layer.weight, layer.bias]
    optimiser = torch.optim.Adam(
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    step, steps = 0, recipe.steps(len(rows))
    losses: list[float] = []
    for epoch in range(recipe.epochs):
        total = torch.zeros((), device=rows.device)
        for batch, targets in rows.batches(recipe.batch_size, generator):
            step += 1
            optimiser.param_groups[0]["lr"] = recipe.rate(step, steps)
            total += layer.backward(batch, targets)
            optimiser.step()
        losses.append(float(total) / len(rows))  # read once an epoch: no waiting for the device
        if not math.isfinite(losses[-1]):
            raise ValueError(
                f"the probe's loss is {losses[-1]} after epoch {epoch + 1}; lower "
                f"probe.learning_rate (now {recipe.learning_rate})"
            )
        if progress is not None:
            progress(epoch + 1, recipe.epochs, losses[-1])
    weight, bias = (p.cpu().numpy() for p in parameters)
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
def training_accuracy(probe: Probe, rows: Rows, *, batch_size: int = 8192) -> float:
    """Return the share of training rows whose highest logit is their (likeliest) target."""
    weight, bias = (torch.from_numpy(part).to(rows.device) for part in (probe.weight, probe.bias))
    right = torch.zeros((), dtype=torch.int64, device=rows.device)
    for batch, targets in rows.batches(batch_size, torch.Generator().manual_seed(0)):
        wanted = targets if targets.ndim == 1 else targets.argmax(dim=1)
        right += (F.linear(batch, weight, bias).argmax(dim=1) == wanted).sum()
    return int(right) / len(rows)
