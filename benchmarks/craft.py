"""How fast an attack runs, beside a bare forward and backward loop of the same model and batch.

    python -m benchmarks.craft [--device cuda] [--model resnet10t --size 32] [--steps 250]
                               [--batch N] [--pairs N] [--reach]

Prints image-steps per second of both in one run, alternating, and their ratio; the peak memory for
one and for four times the images; with --reach the share of the cosine of 1,000 steps that 250
reach (random weights: take it from a trained surrogate's index instead where there is one).
On a GPU with more than 40 GiB, `--model vit_base_patch16_clip_224` and its larger sisters
(large_patch14, huge_patch14, bigG) give images per minute for 250 steps at 224 pixels.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import timm
import torch

from pipeline.attacks.cache import AttackCache
from pipeline.attacks.cost import pick_batch_size
from pipeline.attacks.crafting import Goal, craft_missing
from pipeline.attacks.objectives import cosine_to
from pipeline.attacks.push import push
from pipeline.attacks.spec import CraftSpec
from pipeline.attacks.surrogate import Surrogate


def encoder(model: str, size: int, device: torch.device):
    kwargs = {} if "resnet" in model or "regnet" in model else {"img_size": size}
    tower = timm.create_model(model, num_classes=0, **kwargs).eval().to(device)
    tower = tower.requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)
    half = device.type == "cuda"

    def encode(pixels):
        images = ((pixels - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            return tower(images).float()

    return encode


def bare(encode, batch: int, size: int, steps: int, device: torch.device) -> float:
    """Seconds of `steps` forward and backward passes to the pixels, nothing else."""
    pixels = torch.rand(batch, 3, size, size, device=device)
    wait(device)
    started = clock(device)
    for _ in range(steps):
        images = pixels.detach().requires_grad_()
        torch.autograd.grad(encode(images).sum(), images)
    wait(device)
    return clock(device) - started


def crafted(encode, spec: CraftSpec, batch: int, size: int, device: torch.device) -> float:
    """Seconds of the whole path: noise, steps, rounding, files, description, side cache."""
    surrogate = Surrogate("bench", encode, lambda data: torch.rand(3, size, size), device)
    generator = torch.Generator().manual_seed(0)

    def goal_of(part: slice, pixels: torch.Tensor) -> Goal:
        aims = torch.rand(pixels.shape, generator=generator).to(device)
        with torch.no_grad():
            objective = cosine_to(encode(aims))
        names = [{"target_row": None, "target_class": None}] * len(pixels)
        return Goal(objective, objective, names)

    with tempfile.TemporaryDirectory() as folder:
        wait(device)
        started = clock(device)
        for _ in craft_missing(
            spec,
            surrogate=surrogate,
            source_pixels=lambda pair: torch.rand(3, size, size),
            goal_of=goal_of,
            batch_size=batch,
            cache=AttackCache(Path(folder)),
        ):
            pass
        wait(device)
        return clock(device) - started


def clock(device: torch.device) -> float:
    """CPU seconds on a CPU, so that other processes count less; wall seconds on a GPU."""
    return time.perf_counter() if device.type == "cuda" else time.process_time()


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak(device: torch.device) -> float:
    """Peak MiB: of the device's allocations, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def reach(encode, size: int, device: torch.device) -> None:
    """Print the mean cosine that 250 and 1,000 steps reach on 20 images, rough and smooth."""
    generator = torch.Generator().manual_seed(1)
    images, aims = (torch.rand(20, 3, size, size, generator=generator).to(device) for _ in "ab")
    with torch.no_grad():
        objective = cosine_to(encode(aims))
    for smoothness in (0.0, 5e3):
        reached = []
        for steps in (250, 1000):
            spec = CraftSpec(ood="noise", smoothness=smoothness, steps=steps)
            noise = 1e-3 * torch.randn(images.shape, generator=generator).to(device)
            result = push(images, noise, encode=encode, objective=objective, spec=spec)
            with torch.no_grad():
                reached.append(objective(encode(result)).mean().item())
        print(
            f"smoothness {smoothness:g}: cosine {reached[0]:.4f} after 250 steps, "
            f"{reached[1]:.4f} after 1,000, share {reached[0] / reached[1]:.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="resnet10t")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--reach", action="store_true")
    args = parser.parse_args()
    device = torch.device(args.device)
    encode = encoder(args.model, args.size, device)
    draft = CraftSpec(ood="noise", pairs=10**6, steps=args.steps, smoothness=5e3)
    batch = args.batch or pick_batch_size(encode, (args.size, args.size), spec=draft, device=device)
    pairs = args.pairs or batch
    spec = CraftSpec(ood="noise", pairs=pairs, steps=args.steps, smoothness=5e3)
    bare(encode, batch, args.size, 2, device)
    ratios = []
    for _ in range(args.repeats):
        few = min(args.steps, 40)
        seconds = bare(encode, batch, args.size, few, device)
        whole = pairs * args.steps / crafted(encode, spec, batch, args.size, device)
        seconds += bare(encode, batch, args.size, few, device)  # before and after: machines drift
        alone = 2 * few * batch / seconds
        ratios.append(whole / alone)
        print(
            f"{args.model} at {args.size} px, batch {batch} on {device}: "
            f"bare {alone:,.0f}, attack {whole:,.0f} image-steps/s: ratio {whole / alone:.3f}; "
            f"{60 * whole / 250:,.1f} images/min for 250 steps"
        )
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.3f} (to reach: 0.85)")
    before = peak(device)
    more = CraftSpec(ood="noise", pairs=4 * pairs, steps=2, smoothness=5e3)
    crafted(encode, more, batch, args.size, device)
    print(f"peak memory {before:,.0f} MiB for {pairs} images, {peak(device):,.0f} for {4 * pairs}")
    if args.reach:
        reach(encode, args.size, device)


if __name__ == "__main__":
    main()
