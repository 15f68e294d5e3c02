"""Craft a set of images batch by batch: read, push, round to a file, look at the file again."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from pipeline.attacks import quality
from pipeline.attacks.cache import AttackCache, CraftedImage
from pipeline.attacks.objectives import Objective
from pipeline.attacks.pairs import initial_noise
from pipeline.attacks.push import best_of, push, to_levels
from pipeline.attacks.spec import CraftSpec
from pipeline.attacks.surrogate import Surrogate


@dataclass(frozen=True)
class Goal:
    """What a batch of pairs is pushed towards.

    Attributes:
        objective: Maximised by the attack.
        cosine: Cosine to the target, for the index; None where there is no target vector.
        names: For each pair of the batch what it aims at, further columns of its index row.
    """

    objective: Objective
    cosine: Objective | None
    names: list[dict[str, Any]]


GoalOf = Callable[[slice, Tensor], Goal]  # pairs of the batch, their source pixels -> goal


def batches(pairs: int, batch_size: int) -> list[slice]:
    """The fixed grid of batches; a resumed run keeps it, so its bytes are equal."""
    return [slice(i, min(i + batch_size, pairs)) for i in range(0, pairs, batch_size)]


def craft_missing(
    spec: CraftSpec,
    *,
    surrogate: Surrogate,
    source_pixels: Callable[[int], Tensor],
    goal_of: GoalOf,
    batch_size: int,
    cache: AttackCache,
) -> Iterator[list[float]]:
    """Craft every batch that has an unfinished image; yield the objectives its files reach."""
    for batch in batches(spec.pairs, batch_size):
        numbers = range(batch.start, batch.stop)
        if not all(cache.has(pair) for pair in numbers):
            pixels = torch.stack([source_pixels(pair) for pair in numbers])
            goal = goal_of(batch, pixels.to(surrogate.device))
            crafted = craft_batch(spec, batch, pixels, surrogate=surrogate, goal=goal)
            for pair, image in zip(numbers, crafted, strict=True):
                cache.write(pair, image)
            yield [image.record["objective"] for image in crafted]


def craft_batch(
    spec: CraftSpec, batch: slice, pixels: Tensor, *, surrogate: Surrogate, goal: Goal
) -> list[CraftedImage]:
    """Craft one batch and describe each image as its file, not as the floats, holds it."""
    images = pixels.to(surrogate.device)
    tries = [_one_start(spec, batch, images, r, surrogate, goal) for r in range(spec.restarts)]
    best = best_of([attempt.file_value for attempt in tries]).tolist()
    return [
        _describe(
            spec,
            pixels[row],
            tries[best[row]],
            row,
            restart=best[row],
            goal=goal,
            name=surrogate.name,
        )
        for row in range(len(pixels))
    ]


@dataclass(frozen=True)
class _Attempt:
    """One start of one batch, on the CPU."""

    levels: np.ndarray  # uint8 [b h w 3]
    files: list[bytes]
    float_value: Tensor
    file_value: Tensor
    float_cosine: Tensor | None
    file_cosine: Tensor | None
    snapshots: np.ndarray  # [s b d]
    sizes: np.ndarray  # [s b 3]


def _one_start(
    spec: CraftSpec, batch: slice, images: Tensor, restart: int, surrogate: Surrogate, goal: Goal
) -> _Attempt:
    shape = tuple(images.shape[1:])
    noise = torch.stack(
        [
            torch.from_numpy(
                initial_noise(shape, pair=pair, restart=restart, seed=spec.seed, scale=spec.noise)
            )
            for pair in range(batch.start, batch.stop)
        ]
    ).to(images.device)
    snapshots: list[np.ndarray] = []
    sizes: list[np.ndarray] = []

    def keep(step: int, features: Tensor, value: Tensor, perturbation: Tensor) -> None:
        if step in spec.snapshots:
            flat = perturbation.flatten(1)
            lengths = torch.stack([value, flat.norm(dim=1), flat.abs().amax(dim=1)], dim=1)
            snapshots.append(features.float().cpu().numpy())
            sizes.append(lengths.float().cpu().numpy())

    pushed = push(
        images,
        noise,
        encode=surrogate.encode,
        objective=goal.objective,
        spec=spec,
        on_step=keep,
    )
    rounded = to_levels(pushed, images, budget=spec.budget)
    levels = rounded.permute(0, 2, 3, 1).cpu().numpy()
    files = [png_bytes(image) for image in levels]
    with torch.no_grad():
        float_features = surrogate.encode(pushed)
        reread = torch.stack([surrogate.read(data) for data in files]).to(images.device)
        file_features = surrogate.encode(reread)
        file_value = goal.objective(file_features)
        keep(spec.steps, file_features, file_value, rounded.float() / 255 - images)
        cosine = goal.cosine
        return _Attempt(
            levels=levels,
            files=files,
            float_value=goal.objective(float_features).cpu(),
            file_value=file_value.cpu(),
            float_cosine=None if cosine is None else cosine(float_features).cpu(),
            file_cosine=None if cosine is None else cosine(file_features).cpu(),
            snapshots=np.stack(snapshots),
            sizes=np.stack(sizes),
        )


def _describe(
    spec: CraftSpec,
    source: Tensor,
    attempt: _Attempt,
    row: int,
    *,
    restart: int,
    goal: Goal,
    name: str,
) -> CraftedImage:
    levels = attempt.levels[row]
    before = source.permute(1, 2, 0).numpy()
    after = levels.astype(np.float32) / 255
    ratio = quality.psnr(after, before)
    record = goal.names[row] | {
        "surrogate": name,
        "attack": spec.attack,
        "smoothness": spec.smoothness,
        "steps": spec.steps,
        "restart": restart,
        "objective_float": float(attempt.float_value[row]),
        "objective": float(attempt.file_value[row]),
        "cosine_float": None if attempt.float_cosine is None else float(attempt.float_cosine[row]),
        "cosine": None if attempt.file_cosine is None else float(attempt.file_cosine[row]),
        "psnr": ratio if np.isfinite(ratio) else None,  # None: the file equals its source
        "ssim": quality.ssim(after, before),
        "l2": quality.l2(after, before),
        "linf": quality.linf(after, before),
    }
    return CraftedImage(
        png=attempt.files[row],
        record=record,
        snapshots=attempt.snapshots[:, row],
        sizes=attempt.sizes[:, row],
    )


def png_bytes(levels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """The PNG file of an 8-bit image, without metadata; refuses a file that does not hold it."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format="PNG")
    data = buffer.getvalue()
    if not np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), levels):
        raise RuntimeError("a PNG file does not hold the image it was written from")
    return data
