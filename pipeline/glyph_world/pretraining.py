"""Contrastive pretraining of small CLIP models by open_clip's own classes.

The loss is that of Radford et al. (ICML 2021, arXiv:2103.00020) over the pairs of a batch, the
optimiser AdamW with warm-up and a cosine to zero, for a fixed number of steps. With one seed and
one number of threads the weights are the same to the byte.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import open_clip
import torch
from jaxtyping import Float32, UInt8
from open_clip.model import CLIP
from torch import Tensor

from pipeline.glyph_world.pretraining_params import TrainParams

MEAN = STD = 0.5  # of the image normalisation, all channels
PREPROCESS = {"mean": [MEAN] * 3, "std": [STD] * 3, "interpolation": "bicubic"}
MAX_LOGIT_SCALE = 100.0


def build_model(model_cfg: dict[str, Any], *, logit_scale: float, seed: int) -> CLIP:
    """Return open_clip's model of a configuration with weights drawn from a seed."""
    torch.manual_seed(seed)
    return CLIP(**model_cfg, init_logit_scale=float(np.log(logit_scale)))


def normalise(images: UInt8[np.ndarray, "n h w 3"]) -> Float32[Tensor, "n 3 h w"]:
    """Return images as the model's own evaluation transform gives them at its input size."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    return (
        pixels.contiguous(memory_format=torch.channels_last).float().div_(255).sub_(MEAN).div_(STD)
    )


def train(
    model: CLIP,
    images: UInt8[np.ndarray, "n h w 3"],
    captions: Sequence[str],
    *,
    params: TrainParams,
    seed: int,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> float:
    """Train a model in place.

    Args:
        model: Where to start.
        images: Images at the model's input size.
        captions: One for each image.
        params: The recipe.
        seed: Seed of the order of pairs.
        report: Called after each step with its number, from 1, and the smoothed loss.

    Returns:
        The smoothed loss at the end.

    Raises:
        ValueError: If pairs do not fill one batch.
        FloatingPointError: If the loss is no longer finite.
    """
    if len(images) != len(captions) or len(images) < params.batch_size:
        raise ValueError(
            f"{len(images)} images and {len(captions)} captions must be equally many and fill a "
            f"batch of {params.batch_size}; raise pretrain.pairs.count or lower batch_size"
        )
    tokens = open_clip.SimpleTokenizer(context_length=model.context_length)(list(captions))
    optimizer = _optimizer(model, params)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, params))
    contrastive = open_clip.ClipLoss()
    order = _batches(len(images), params.batch_size, torch.Generator().manual_seed(seed))
    model.train()
    model.visual.to(memory_format=torch.channels_last)
    smooth = 0.0
    for step in range(1, params.steps + 1):
        rows = next(order)
        image_side = model.encode_image(normalise(images[rows.numpy()]), normalize=True)
        text_side = model.encode_text(tokens[rows], normalize=True)
        loss = contrastive(image_side, text_side, model.logit_scale.exp())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, float(np.log(MAX_LOGIT_SCALE)))
        smooth = loss.item() if step == 1 else 0.95 * smooth + 0.05 * loss.item()
        if not np.isfinite(smooth):
            raise FloatingPointError(
                f"the loss is {smooth} at step {step}; lower pretrain.learning_rate"
            )
        report(step, smooth)
    model.eval()
    model.visual.to(memory_format=torch.contiguous_format)
    return smooth


def _optimizer(model: CLIP, params: TrainParams) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]  # biases, norms, the logit scale
    groups = [
        {"params": matrices, "weight_decay": params.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=params.learning_rate, betas=(0.9, 0.98), eps=1e-6, fused=True
    )


def _rate(step: int, params: TrainParams) -> float:
    """Return the share of the peak learning rate at a step, counted from 0."""
    warm = max(1, round(params.warmup * params.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(1, params.steps - warm))))


def _batches(n: int, size: int, generator: torch.Generator):
    """Yield row numbers, a fresh permutation each time all pairs are used up."""
    rows = torch.empty(0, dtype=torch.long)
    while True:
        while len(rows) < size:
            rows = torch.cat([rows, torch.randperm(n, generator=generator)])
        yield rows[:size]
        rows = rows[size:]
