"""The batch size of an attack, and what it will cost, measured on the model before it starts."""

import resource
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.attacks.push import Encode
from pipeline.attacks.spec import CraftSpec

GPU_SHARE = 0.8  # of the device's memory that a batch may fill; objectives take little of the rest
LARGEST_BATCH = 256
CPU_PIXELS = 100 * 64 * 64  # of a batch, where caches still help: 100 images of 64 by 64


@dataclass(frozen=True)
class Cost:
    """Seconds of the whole set and peak memory of one batch, in bytes."""

    seconds: float
    memory: int
    device: torch.device

    def __str__(self) -> str:
        """One line for the terminal."""
        memory = f"{self.memory / 2**30:.1f} GiB"
        where = "GPU memory" if self.device.type == "cuda" else "memory of this process"
        return f"about {self.seconds / 60:.1f} min, {memory} {where}"


def forward_backward(encode: Encode, pixels: Tensor) -> None:
    """One step's work without the optimiser: features, and their gradient at the pixels."""
    pixels = pixels.detach().requires_grad_()
    torch.autograd.grad(encode(pixels).square().sum(), pixels)


def pick_batch_size(
    encode: Encode, size: tuple[int, int], *, spec: CraftSpec, device: torch.device
) -> int:
    """The spec's batch size, or one chosen from the device alone, never from what is free now."""
    if spec.batch_size != "auto":
        return min(spec.batch_size, spec.pairs)
    if device.type != "cuda":
        return min(spec.pairs, max(8, min(100, CPU_PIXELS // (size[0] * size[1]))))
    peaks = []
    for batch in (2, 6):
        torch.cuda.reset_peak_memory_stats(device)
        forward_backward(encode, torch.rand(batch, 3, *size, device=device))
        peaks.append(torch.cuda.max_memory_allocated(device))
    per_image = max(1, (peaks[1] - peaks[0]) // 4)
    total = torch.cuda.get_device_properties(device).total_memory
    fitting = int((GPU_SHARE * total - peaks[0]) // per_image)
    power = 1 << max(0, fitting.bit_length() - 1) if fitting > 0 else 1
    return min(spec.pairs, LARGEST_BATCH, power)


def estimate_cost(
    encode: Encode,
    size: tuple[int, int],
    *,
    batch_size: int,
    missing: int,
    spec: CraftSpec,
    device: torch.device,
) -> Cost:
    """Time one step of a full batch after a first one that warms up; `missing` batches to do."""
    pixels = torch.rand(batch_size, 3, *size, device=device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    forward_backward(encode, pixels)
    _wait(device)
    started = time.perf_counter()
    forward_backward(encode, pixels)
    _wait(device)
    seconds = (time.perf_counter() - started) * missing * spec.steps * spec.restarts
    if device.type == "cuda":
        return Cost(seconds, torch.cuda.max_memory_allocated(device), device)
    return Cost(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
