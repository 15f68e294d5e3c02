"""Feature-space manipulation: push images towards an objective by gradient steps on their pixels.

The attack of Adaloglou et al. (TMLR 2024, arXiv:2303.05828): on [0, 1] pixels at the model's input
size, Adam minimises -objective + λ · roughness of the perturbation, clamping the image after each
step. With a budget the steps are those of projected gradient descent (Madry et al., ICLR 2018,
arXiv:1706.06083). Losses are summed over the batch, so no image's path depends on its neighbours.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from pipeline.attacks.spec import Budget, CraftSpec

Encode = Callable[[Tensor], Tensor]  # [0, 1] pixels [b 3 h w] -> float32 features [b d]
Objective = Callable[[Tensor], Tensor]  # features [b d] -> value [b], higher = closer to ID
OnStep = Callable[[int, Tensor, Tensor, Tensor], None]  # step, features, objective, perturbation
LOOK = 10  # steps after which it is looked whether all went well: a look makes a GPU wait


def roughness(perturbation: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Mean squared vertical plus mean squared horizontal forward difference, an image."""
    vertical = perturbation[:, :, 1:, :] - perturbation[:, :, :-1, :]
    horizontal = perturbation[:, :, :, 1:] - perturbation[:, :, :, :-1]
    return vertical.square().mean((1, 2, 3)) + horizontal.square().mean((1, 2, 3))


def push(
    images: Float[Tensor, "b 3 h w"],
    noise: Float[Tensor, "b 3 h w"],
    *,
    encode: Encode,
    objective: Objective,
    spec: CraftSpec,
    on_step: OnStep | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Return the images, pushed for `spec.steps` steps; float32, not yet rounded to 8 bits.

    Args:
        images: Source images, pixels in [0, 1].
        noise: Start of the perturbation.
        encode: The surrogate, with gradients; normalisation is its own business.
        objective: What the features are pushed towards; maximised.
        spec: Steps, learning rate, smoothness weight or budget.
        on_step: Called before each step with the number of steps done, and the features,
            objective values and perturbation at that point.

    Raises:
        ValueError: If the encoder gives features without a gradient, or a value is not finite.
    """
    perturbation = _into_bounds(noise, images, budget=spec.budget).requires_grad_()
    optimiser = torch.optim.Adam([perturbation], lr=spec.learning_rate)
    finite: list[Tensor] = []  # of the steps since the last look
    for step in range(spec.steps):
        features = encode(images + perturbation)
        if not features.requires_grad:
            raise ValueError(
                "the surrogate gives features without a gradient; it must be a model that runs "
                "here in differentiable form, not an imported or compiled-away one"
            )
        value = objective(features)
        if on_step is not None:
            on_step(step, features.detach(), value.detach(), perturbation.detach())
        loss = -value.sum()
        if spec.smoothness > 0:
            loss = loss + spec.smoothness * roughness(perturbation).sum()
        (gradient,) = torch.autograd.grad(loss, perturbation)
        finite.append(torch.isfinite(gradient).all())
        if len(finite) == LOOK or step == spec.steps - 1:
            _refuse_infinite(finite, before=step + 1 - len(finite))
            finite.clear()
        with torch.no_grad():
            if spec.budget is None:
                perturbation.grad = gradient
                optimiser.step()
            else:
                perturbation -= spec.budget.step * _direction(gradient, norm=spec.budget.norm)
            perturbation.copy_(_into_bounds(perturbation, images, budget=spec.budget))
    return (images + perturbation.detach()).clamp_(0, 1)


def to_levels(
    images: Float[Tensor, "b 3 h w"],
    sources: Float[Tensor, "b 3 h w"],
    *,
    budget: Budget | None = None,
) -> UInt8[Tensor, "b 3 h w"]:
    """Round to the 256 levels of an image file, staying inside the budget."""
    source_levels = (sources * 255).round()
    change = (images * 255).round() - source_levels
    if budget is not None and budget.norm == "linf":
        largest = int(budget.epsilon * 255 + 1e-6)
        change = change.clamp(-largest, largest)
    elif budget is not None:
        wanted = images * 255 - source_levels
        radius = budget.epsilon * 255
        for _ in range(1000):  # rounding can leave the ball: shrink until it does not
            norms = change.flatten(1).norm(dim=1)
            if not (outside := norms > radius).any():
                break
            wanted = torch.where(outside[:, None, None, None], wanted * 0.99, wanted)
            change = wanted.round()
    return (source_levels + change).clamp(0, 255).to(torch.uint8)


def _refuse_infinite(finite: Sequence[Tensor], *, before: int) -> None:
    """Name the first of some steps whose gradient is not finite; `before` were made before them."""
    looked = torch.stack(list(finite)).tolist()
    if not all(looked):
        raise ValueError(
            f"the gradient must be finite, but is not after {before + looked.index(False)} steps; "
            "set precision: float32, or lower learning_rate"
        )


def _direction(gradient: Tensor, *, norm: str) -> Tensor:
    """Unit step up the loss in the given norm."""
    if norm == "linf":
        return gradient.sign()
    lengths = gradient.flatten(1).norm(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
    return gradient / lengths[:, None, None, None]


def _into_bounds(perturbation: Tensor, images: Tensor, *, budget: Budget | None) -> Tensor:
    """Project onto the budget, then clamp the image to [0, 1]."""
    if budget is not None and budget.norm == "linf":
        perturbation = perturbation.clamp(-budget.epsilon, budget.epsilon)
    elif budget is not None:
        lengths = perturbation.flatten(1).norm(dim=1).clamp_min(budget.epsilon)
        perturbation = perturbation * (budget.epsilon / lengths)[:, None, None, None]
    return (images + perturbation).clamp(0, 1) - images


def best_of(values: Sequence[Float[Tensor, " b"]]) -> Int64[Tensor, " b"]:
    """For each image the restart with the highest objective; the first among equals."""
    return torch.stack(list(values)).argmax(dim=0)
