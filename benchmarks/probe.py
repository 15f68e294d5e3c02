"""Speed of head training against the usual loop and against its bare matrix products.

    python -m benchmarks.probe [--rows 100000] [--epochs 5] [--device cpu]

Prints seconds and samples/s of three trainings of one linear layer on the same arrays:
the usual DataLoader over a TensorDataset; ours; and only the two matrix products of each step.
"""

import argparse
import dataclasses
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.clock import seconds_now
from pipeline.training.probe import fit_probe
from pipeline.training.probe_memory import READ_ROWS
from pipeline.training.probe_recipe import ProbeRecipe
from pipeline.training.probe_rows import ResidentRows


def usual_loop(features, labels, classes, recipe, device):
    """What a reader would write: DataLoader, nn.Linear, Adam, a scheduler, loss.item()."""
    dataset = TensorDataset(torch.from_numpy(features), torch.from_numpy(labels))
    loader = DataLoader(dataset, batch_size=recipe.batch_size, shuffle=True)
    layer = nn.Linear(features.shape[1], classes).to(device)
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-3, weight_decay=1e-3)
    steps = recipe.steps(len(features))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: recipe.rate(s + 1, steps))
    for _ in range(recipe.epochs):
        for batch, targets in loader:
            loss = F.cross_entropy(layer(batch.to(device)), targets.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            loss.item()


def ours(features, labels, classes, recipe, device):
    """As in stage `probe`: rows are gathered in blocks, then trained on."""
    blocks = (
        (features[start : start + READ_ROWS], labels[start : start + READ_ROWS])
        for start in range(0, len(features), READ_ROWS)
    )
    rows = ResidentRows.gathered(blocks, len(features), device=device, home=device)
    fit_probe(rows, classes=classes, recipe=recipe, seed=42)


def bare_products(features, labels, classes, recipe, device):
    """Logits and the weight's gradient of every step, on a batch that never changes."""
    batch = torch.from_numpy(features[: recipe.batch_size]).to(device)
    weight = torch.randn(classes, features.shape[1], device=device)
    logits = torch.empty(len(batch), classes, device=device)
    gradient = torch.empty_like(weight)
    whole, rest = divmod(len(features), recipe.batch_size)
    for _ in range(recipe.epochs):
        for size in [recipe.batch_size] * whole + [rest] * bool(rest):
            torch.mm(batch[:size], weight.T, out=logits[:size])
            torch.mm(logits[:size].T, batch[:size], out=gradient)


def timed(run: Callable[[], None], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    started = seconds_now()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return seconds_now() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=1, help="the fastest of so many counts")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    features = rng.standard_normal((args.rows, args.width), dtype=np.float32)
    labels = rng.integers(0, args.classes, args.rows)
    recipe = ProbeRecipe(epochs=args.epochs, batch_size=args.batch)
    ways = {"usual loop": usual_loop, "ours": ours, "bare products": bare_products}
    few, short = slice(2 * args.batch), dataclasses.replace(recipe, epochs=1)
    for way in ways.values():  # else the first one pays for the start of CUDA and its libraries
        way(features[few], labels[few], args.classes, short, args.device)
    seconds = dict.fromkeys(ways, np.inf)
    for _ in range(args.rounds):
        for name, way in ways.items():  # taken in turns: a busy machine slows all alike
            spent = timed(
                lambda way=way: way(features, labels, args.classes, recipe, args.device),
                args.device,
            )
            seconds[name] = min(seconds[name], spent)
    where = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    print(
        f"{args.rows:,} x {args.width}, {args.classes} classes, {args.epochs} epochs, batch "
        f"{args.batch}, {where}, {torch.get_num_threads()} threads"
    )
    for name, spent in seconds.items():
        print(f"{name:>14} {spent:8.2f} s {args.rows * args.epochs / spent:12,.0f} samples/s")
    print(f"ours / usual loop    {seconds['usual loop'] / seconds['ours']:.2f} x the samples/s")
    print(f"ours / bare products {seconds['bare products'] / seconds['ours']:.2f} of the rate")
    full = seconds["ours"] * 1.28e6 * 100 / (args.rows * args.epochs)
    print(f"ImageNet recipe, 1.28M rows and 100 epochs, at this rate: {full / 60:.1f} min")


if __name__ == "__main__":
    main()
