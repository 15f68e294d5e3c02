"""From a target's name in params.yaml to what each batch of pairs is pushed towards."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional as F

from pipeline.attacks.crafting import Goal, GoalOf
from pipeline.attacks.objectives import cosine_to, energy_of, mahalanobis_of, mcm_of
from pipeline.attacks.surrogate import Surrogate
from pipeline.detectors.gaussians import ClassGaussians
from pipeline.training.heads import Probe

ReadRow = Callable[[int], Tensor]  # bank row -> pixels [3 h w] in [0, 1]


def random_images(
    targets: Int64[np.ndarray, " p"], *, surrogate: Surrogate, bank_pixels: ReadRow
) -> GoalOf:
    """Each pair's own ID training image."""

    def goal_of(batch: slice, pixels: Tensor) -> Goal:
        return _images(targets[batch].tolist(), surrogate, bank_pixels)

    return goal_of


def nearest_images(
    bank: Iterable[Float[np.ndarray, "b d"]], *, surrogate: Surrogate, bank_pixels: ReadRow
) -> GoalOf:
    """For each source the ID training image of highest cosine; `bank` streams all features."""
    unit_bank = torch.cat([F.normalize(torch.from_numpy(block), dim=1) for block in bank])

    def goal_of(batch: slice, pixels: Tensor) -> Goal:
        with torch.no_grad():
            queries = F.normalize(surrogate.encode(pixels), dim=1).cpu()
        rows = (queries @ unit_bank.T).argmax(dim=1).tolist()
        return _images(rows, surrogate, bank_pixels)

    return goal_of


def class_texts(
    class_embeddings: Float32[np.ndarray, "c e"],
    projection: Float32[np.ndarray, "d e"] | None,
    class_names: Sequence[str],
    *,
    surrogate: Surrogate,
) -> GoalOf:
    """The MCM score itself: towards any one class text and away from the others.

    Args:
        class_embeddings: Unit vectors of the classes' texts.
        projection: From features to the joint space; None where the features are in it.
        class_names: In label order.
        surrogate: The backbone that is attacked.
    """
    texts = torch.from_numpy(class_embeddings).to(surrogate.device)
    matrix = None if projection is None else torch.from_numpy(projection).to(surrogate.device)

    def cosines(features: Tensor) -> Tensor:
        return F.normalize(features if matrix is None else features @ matrix, dim=1) @ texts.T

    return _by_score(
        mcm_of(texts, matrix),
        lambda features: cosines(features).amax(dim=1),
        lambda features: cosines(features).argmax(dim=1),
        class_names,
        surrogate=surrogate,
    )


def class_means(
    gaussians: ClassGaussians, class_names: Sequence[str], *, surrogate: Surrogate
) -> GoalOf:
    """The Mahalanobis score itself: towards the nearest class mean under the shared covariance."""
    centre, whitening, means = (
        torch.from_numpy(array.astype(np.float32)).to(surrogate.device)
        for array in (gaussians.centre, gaussians.whitening, gaussians.means)
    )
    score = mahalanobis_of(whitening, means)
    return _by_score(
        lambda features: score(features - centre),
        None,
        lambda features: torch.cdist((features - centre) @ whitening, means).argmin(dim=1),
        class_names,
        surrogate=surrogate,
    )


def probe_logits(head: Probe, class_names: Sequence[str], *, surrogate: Surrogate) -> GoalOf:
    """The energy score of a linear head itself, such as PLP's."""
    weight, bias, mean, std = (
        torch.from_numpy(array).to(surrogate.device)
        for array in (head.weight, head.bias, head.mean, head.std)
    )
    return _by_score(
        energy_of(weight, bias, mean, std),
        None,
        lambda features: ((features - mean) / std @ weight.T + bias).argmax(dim=1),
        class_names,
        surrogate=surrogate,
    )


def _images(rows: list[int], surrogate: Surrogate, bank_pixels: ReadRow) -> Goal:
    pixels = torch.stack([bank_pixels(row) for row in rows]).to(surrogate.device)
    with torch.no_grad():
        objective = cosine_to(surrogate.encode(pixels))
    return Goal(objective, objective, [{"target_row": row, "target_class": None} for row in rows])


def _by_score(
    objective: Callable[[Tensor], Tensor],
    cosine: Callable[[Tensor], Tensor] | None,
    class_of: Callable[[Tensor], Tensor],
    class_names: Sequence[str],
    *,
    surrogate: Surrogate,
) -> GoalOf:
    """One objective for all pairs; the index names the class each source starts nearest to."""

    def goal_of(batch: slice, pixels: Tensor) -> Goal:
        with torch.no_grad():
            classes = class_of(surrogate.encode(pixels)).tolist()
        names: list[dict[str, Any]] = [
            {"target_row": None, "target_class": class_names[number]} for number in classes
        ]
        return Goal(objective, cosine, names)

    return goal_of
