"""Push OOD images towards ID features of a surrogate, and write them as real image files.

    python -m stages.craft DATASET SURROGATE WEIGHTS OOD_INDEX BANK_INDEX IMAGES INDEX STEPS
                           [--text TEXT] [--heads HEADS] [--bank-store STORE]

Reads   OOD_INDEX    index of the clean OOD images, datasets.<datasets.DATASET.ood>
        BANK_INDEX   index of the ID training images, the targets
        WEIGHTS      weights of the surrogate, models.SURROGATE
        TEXT         class embeddings, for target: class_text
        HEADS        trained heads, for target: probe (the PLP head)
        STORE        the surrogate's features of the bank, for target: class_mean; saves encoding
                     the bank for target: nearest
Writes  IMAGES       8-bit PNG files at the surrogate's input size
        INDEX        their index, with source row, target row, cosines, PSNR, SSIM, L2, L∞
        STEPS        safetensors: the surrogate's features, objective and sizes on the way

A killed run is resumed: finished images wait outside the outputs until the set is whole.
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import torch

from pipeline.attacks.cache import explain_full_disk, open_cache
from pipeline.attacks.cost import estimate_cost, pick_batch_size
from pipeline.attacks.crafting import Surrogate, batches, craft_missing
from pipeline.attacks.indexed_images import IndexedImages
from pipeline.attacks.output import assemble
from pipeline.attacks.pairs import draw_sources
from pipeline.attacks.repeatable import repeatable
from pipeline.attacks.spec import CraftSpec, craft_spec
from pipeline.attacks.targets import TargetInputs, choose_goal, identity
from pipeline.backbones.backbone import Backbone, pick_device
from pipeline.backbones.loading import load_backbone
from pipeline.backbones.weights import read_entry
from pipeline.cache_folder import cache_root
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index, write_index
from pipeline.extraction.content_key import content_key, library_versions
from pipeline.extraction.locks import claim
from pipeline.params import load_params, read_section
from pipeline.progress import Progress
from pipeline.sources import load_spec, open_source
from pipeline.stage import run_stage
from pipeline.storage.store import read_arrays, read_features
from pipeline.training.heads import read_probe

CODE_VERSION = 2  # raise it when the same numbers would give other images


def run(
    spec: CraftSpec,
    *,
    backbone: Backbone,
    ood: IndexedImages,
    bank: IndexedImages,
    inputs: TargetInputs,
    images: Path,
    index: Path,
    steps: Path,
    root: Path,
) -> pl.DataFrame:
    """Craft one set; see the module docstring. `root` holds half-done work. Returns the index."""
    surrogate = surrogate_of(backbone, ood, precision=spec.precision)
    drawn = draw_sources(len(ood), pairs=spec.pairs, seed=spec.seed, dataset=spec.ood)
    sources = drawn.tolist()
    goal_of, target_identity = choose_goal(spec, bank, surrogate, inputs)
    height, width = ood.pixels(sources[0]).shape[1:]
    batch_size = pick_batch_size(
        surrogate.encode, (height, width), spec=spec, device=surrogate.device
    )
    parts = {
        "version": CODE_VERSION,
        "spec": dataclasses.asdict(spec),
        "backbone": backbone.description,
        "device": _device_name(surrogate.device),
        "libraries": library_versions(),
        "batch_size": batch_size,
        "sources": identity(ood.index[sources]),
        "target": target_identity,
        "images": dataclasses.asdict(ood.images),
    }
    with claim(root / "claims", images) as ours, open_cache(root, content_key(parts)) as cache:
        missing = [
            batch
            for batch in batches(spec.pairs, batch_size)
            if not all(map(cache.has, range(batch.start, batch.stop)))
        ]
        kept = spec.pairs - sum(batch.stop - batch.start for batch in missing)
        print(
            f"{spec.attack} on {backbone.name}: {spec.pairs} images of {height} x {width} pixels, "
            f"{spec.steps} steps, batches of {batch_size} on {_device_name(surrogate.device)}"
            + (f"; {kept} images were finished before" if kept else "")
        )
        if missing:
            cost = estimate_cost(
                surrogate.encode,
                (height, width),
                batch_size=batch_size,
                missing=len(missing),
                spec=spec,
                device=surrogate.device,
            )
            print(f"this takes {cost}", flush=True)
        try:
            _show(
                spec,
                kept,
                craft_missing(
                    spec,
                    surrogate=surrogate,
                    source_pixels=lambda pair: ood.pixels(sources[pair]),
                    goal_of=goal_of,
                    batch_size=batch_size,
                    cache=cache,
                ),
            )
            ours.check()
            table = assemble(spec, cache, ood.index[sources], images=images, steps=steps)
            write_index(index, table)
        except OSError as error:
            done = sum(map(cache.has, range(spec.pairs)))
            cure = explain_full_disk(error, done=done, total=spec.pairs, folder=cache.folder)
            if cure is None:
                raise
            raise RuntimeError(cure) from error
        cache.clear()
    return table


def surrogate_of(backbone: Backbone, images: IndexedImages, *, precision: str) -> Surrogate:
    """Wrap a backbone: pixels in, float32 features out, half precision inside where asked for."""
    device = backbone.device
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    backbone.tower.to(memory_format=torch.channels_last)

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        normalised = backbone.normalise(pixels).contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            device.type, dtype=getattr(torch, precision), enabled=precision != "float32"
        ):
            return backbone.encode(normalised).float()

    return Surrogate(backbone.name, encode, images.read, device)


def target_inputs(
    target: str, *, text: Path | None, heads: Path | None, store: Path | None
) -> TargetInputs:
    """Read what the target needs of the files that were given, and nothing else."""
    if target == "class_text" and text is not None:
        arrays, about = read_arrays(text)
        if not about.get("applicable", True):
            raise ValueError(f"target: class_text needs a text tower: {about.get('reason')}")
        return TargetInputs(text=arrays)
    if target == "probe" and heads is not None:
        if not (heads / "plp.safetensors").is_file():
            summary = json.loads((heads / "heads.json").read_text(encoding="utf-8"))
            reason = summary["heads"].get("plp", {}).get("reason", "it was not trained")
            raise ValueError(
                f"target: probe attacks the PLP head, which the surrogate has not: {reason}; take "
                "another target (random, nearest or class_mean), or a surrogate with a text tower"
            )
        return TargetInputs(head=read_probe(heads / "plp.safetensors"))
    if target in ("nearest", "class_mean") and store is not None:
        return TargetInputs(bank_features=read_features(store).features)
    return TargetInputs()


def _show(spec: CraftSpec, kept: int, crafted: Iterator[list[float]]) -> None:
    """Progress with the mean objective reached so far."""
    progress = Progress(spec.attack, spec.pairs, done=kept)
    reached: list[float] = []
    for objectives in crafted:
        reached += objectives
        progress.name = f"{spec.attack} (objective {sum(reached) / len(reached):.3f})"
        progress.advance(len(objectives))
    progress.close()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def main() -> None:
    """Read the parameters and the inputs, craft, and say what was reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("surrogate")
    for path in ("weights", "ood_index", "bank_index", "images", "index", "steps"):
        parser.add_argument(path, type=Path)
    for option in ("--text", "--heads", "--bank-store"):
        parser.add_argument(option, type=Path)
    args = parser.parse_args()

    spec = craft_spec(
        read_section(f"datasets.{args.dataset}"),
        defaults=read_section("craft.defaults"),
        name=args.dataset,
    )
    if spec.surrogate not in (None, args.surrogate):
        raise ValueError(
            f"datasets.{args.dataset} names the surrogate '{spec.surrogate}', but this run attacks "
            f"'{args.surrogate}'; give the first one's weights, text, heads and features"
        )
    with repeatable(args.surrogate):
        backbone = load_backbone(
            args.surrogate, read_entry(args.weights), args.weights, pick_device()
        )
        limits = load_params("images", ImageParams)

        def indexed(dataset: str, path: Path) -> IndexedImages:
            source = open_source(load_spec(dataset))
            return IndexedImages(read_index(path), source, backbone.pixels_transform, limits)

        table = run(
            spec,
            backbone=backbone,
            ood=indexed(spec.ood, args.ood_index),
            bank=indexed(read_section("benchmark.id_train"), args.bank_index),
            inputs=target_inputs(
                spec.target, text=args.text, heads=args.heads, store=args.bank_store
            ),
            images=args.images,
            index=args.index,
            steps=args.steps,
            root=cache_root(),
        )
    means = {name: table[name].mean() for name in ("cosine_float", "cosine", "psnr", "ssim")}
    said = ", ".join(f"{name} {value:.3f}" for name, value in means.items() if value is not None)
    print(f"{args.dataset}: {len(table)} images in {args.images}; means: {said}")


if __name__ == "__main__":
    run_stage(main, kept="finished images are kept, run the same command again to continue")
