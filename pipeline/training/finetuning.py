"""Fine-tuning of a whole image tower by timm's own optimiser, schedule, mixing and average."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from timm.data.mixup import Mixup
from timm.loss.cross_entropy import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from pipeline.files import written_whole
from pipeline.training.finetune_images import Images, epoch_order
from pipeline.training.finetune_recipe import FinetuneRecipe


@dataclass(frozen=True)
class Place:
    """One of the processes that train together: its device and its share of every batch."""

    device: torch.device
    rank: int = 0
    world: int = 1


def finetune(
    model: nn.Module,
    images: Images,
    *,
    classes: int,
    recipe: FinetuneRecipe,
    place: Place,
    checkpoint: Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> nn.Module:
    """Train the model; return the moving average of its weights, or the last ones (`recipe.keep`).

    Every epoch draws its order and mixing from the seed and the epoch's number alone, and leaves
    a checkpoint: a run that was stopped continues with the next epoch as if nothing had happened.

    Args:
        model: A timm model with a classifier of the ID classes.
        images: Training images.
        classes: Number of ID classes.
        recipe: Epochs, batch, rates.
        place: Device and share of this process; the others run the same call.
        checkpoint: File of the last finished epoch; None keeps none.
        progress: Called after each epoch with epochs done, epochs in all and the mean loss.

    Raises:
        ValueError: If the loss is not finite.
    """
    per_epoch = recipe.steps_per_epoch(len(images))
    model.to(place.device).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # up to twice as fast
    on_gpu = place.device.type == "cuda"
    optimiser = _optimiser(model, recipe, fused=on_gpu)
    schedule = CosineLRScheduler(
        optimiser,
        t_initial=recipe.epochs * per_epoch,
        lr_min=recipe.min_rate,
        warmup_t=round(recipe.warmup_epochs * per_epoch),
        warmup_lr_init=recipe.warmup_rate,
        t_in_epochs=False,
    )
    average = ModelEmaV3(model, decay=recipe.ema)
    criterion = SoftTargetCrossEntropy()
    parts = {"model": model, "average": average.module, "optimiser": optimiser}
    done = _restore(checkpoint, parts, place)
    trained = nn.parallel.DistributedDataParallel(model) if place.world > 1 else model
    for epoch in range(done, recipe.epochs):
        mix = _mixing(recipe, classes, epoch=epoch, place=place)
        generator = torch.Generator().manual_seed(recipe.seed + epoch)
        order = epoch_order(len(images), recipe.batch_size, generator)
        mine = [rows[place.rank :: place.world] for rows in order]
        total = torch.zeros((), device=place.device)
        batches = images.batches(mine, pinned=on_gpu)
        for step, (pixels, labels) in enumerate(batches, start=epoch * per_epoch):
            schedule.step_update(step)
            batch = pixels.to(place.device, non_blocking=True, memory_format=torch.channels_last)
            batch, targets = mix(batch, labels.to(place.device, non_blocking=True))
            with torch.autocast(place.device.type, torch.bfloat16, enabled=on_gpu):
                loss = criterion(trained(batch), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            average.update(model)
            total += loss.detach()
        mean = float(total) / per_epoch
        if not math.isfinite(mean):
            raise ValueError(
                f"the loss of fine-tuning is {mean} in epoch {epoch + 1}; lower "
                f"finetune.learning_rate (now {recipe.learning_rate})"
            )
        if place.rank == 0:
            _save(checkpoint, parts, epochs=epoch + 1)
            if progress is not None:
                progress(epoch + 1, recipe.epochs, mean)
    return average.module if recipe.averages else model


def _optimiser(model: nn.Module, recipe: FinetuneRecipe, *, fused: bool) -> torch.optim.Optimizer:
    """Return AdamW; on a GPU one kernel updates many tensors, and last bits are other ones."""
    return create_optimizer_v2(
        model,
        opt="adamw",
        lr=recipe.peak,
        weight_decay=recipe.weight_decay,
        fused=fused or None,  # None: torch's own choice
    )


def _mixing(recipe: FinetuneRecipe, classes: int, *, epoch: int, place: Place) -> Mixup:
    """Return timm's mixing; it and drop-path draw from the global generators, seeded here."""
    seed = recipe.seed + epoch * place.world + place.rank
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    return Mixup(
        mixup_alpha=recipe.mixup,
        cutmix_alpha=recipe.cutmix,
        prob=1.0 if recipe.mixup > 0 or recipe.cutmix > 0 else 0.0,
        label_smoothing=recipe.smoothing,
        num_classes=classes,
    )


def _save(path: Path | None, parts: dict[str, Any], *, epochs: int) -> None:
    """Leave a whole checkpoint under its name, or the one before it."""
    if path is None:
        return
    state = {"epochs": epochs} | {name: part.state_dict() for name, part in parts.items()}
    with written_whole(path) as partial, partial.open("wb") as stream:
        torch.save(state, stream)  # a full disk is then an error of this file, not torch's own


def _restore(path: Path | None, parts: dict[str, Any], place: Place) -> int:
    """Continue from the checkpoint if there is one; return the epochs it has behind it."""
    if place.world > 1:
        dist.barrier()  # nobody writes while somebody still reads
    done = 0
    if path is not None and path.exists():
        # On the CPU first: Adam's count of steps stays there, where a GPU is not waited for.
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        done = state["epochs"]
    if place.world > 1:
        dist.barrier()
    return done
