"""Craft one adversarial set: its files, their index and the features on the way, resumable."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pipeline.attacks.cache import AttackCache, explain_full_disk, open_cache
from pipeline.attacks.cost import estimate_cost, pick_batch_size
from pipeline.attacks.crafting import batches, craft_missing
from pipeline.attacks.indexed_images import IndexedImages
from pipeline.attacks.output import assemble
from pipeline.attacks.pairs import draw_sources
from pipeline.attacks.spec import CraftSpec
from pipeline.attacks.surrogate import Surrogate, surrogate_of
from pipeline.attacks.targets import TargetInputs, choose_goal, identity
from pipeline.backbones.backbone import Backbone
from pipeline.datasets.index import write_index
from pipeline.extraction.content_key import content_key, library_versions
from pipeline.extraction.locks import claim
from pipeline.progress import Progress

CODE_VERSION = 2  # raise it when the same numbers would give other images


def craft_set(
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
    """Push OOD images towards ID features, and write what came of it.

    Args:
        spec: What is crafted.
        backbone: The surrogate.
        ood: Clean OOD images.
        bank: ID training images, the targets.
        inputs: What the target needs beside the bank's images.
        images: Folder of the PNG files.
        index: Where their index goes.
        steps: Where the features on the way go.
        root: Side cache of half-done work, from which a killed run is resumed.

    Returns:
        The index.

    Raises:
        ValueError: If there are fewer OOD images than pairs, an input of the target is missing, or
            a file changed since it was indexed.
        RuntimeError: If the disk is full; says what is kept.
    """
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
        "device": surrogate.device_name,
        "libraries": library_versions(),
        "batch_size": batch_size,
        "sources": identity(ood.index[sources]),
        "target": target_identity,
        "images": dataclasses.asdict(ood.images),
    }
    with claim(root / "claims", images) as ours, open_cache(root, content_key(parts)) as cache:
        kept = _announce(spec, surrogate, (height, width), batch_size=batch_size, cache=cache)
        with _full_disk_told(spec, cache):
            crafted = craft_missing(
                spec,
                surrogate=surrogate,
                source_pixels=lambda pair: ood.pixels(sources[pair]),
                goal_of=goal_of,
                batch_size=batch_size,
                cache=cache,
            )
            _show(spec, kept, crafted)
            ours.check()
            table = assemble(spec, cache, ood.index[sources], images=images, steps=steps)
            write_index(index, table)
        cache.clear()
    return table


def _announce(
    spec: CraftSpec,
    surrogate: Surrogate,
    size: tuple[int, int],
    *,
    batch_size: int,
    cache: AttackCache,
) -> int:
    """Say what is done and what it costs; return the number of images that are finished."""
    missing = [
        batch
        for batch in batches(spec.pairs, batch_size)
        if not all(map(cache.has, range(batch.start, batch.stop)))
    ]
    kept = spec.pairs - sum(batch.stop - batch.start for batch in missing)
    print(
        f"{spec.attack} on {surrogate.name}: {spec.pairs} images of {size[0]} x {size[1]} pixels, "
        f"{spec.steps} steps, batches of {batch_size} on {surrogate.device_name}"
        + (f"; {kept} images were finished before" if kept else "")
    )
    if missing:
        cost = estimate_cost(
            surrogate.encode,
            size,
            batch_size=batch_size,
            missing=len(missing),
            spec=spec,
            device=surrogate.device,
        )
        print(f"this takes {cost}", flush=True)
    return kept


def _show(spec: CraftSpec, kept: int, crafted: Iterator[list[float]]) -> None:
    """Progress with the mean objective reached so far."""
    progress = Progress(spec.attack, spec.pairs, done=kept)
    reached: list[float] = []
    for objectives in crafted:
        reached += objectives
        progress.name = f"{spec.attack} (objective {sum(reached) / len(reached):.3f})"
        progress.advance(len(objectives))
    progress.close()


@contextmanager
def _full_disk_told(spec: CraftSpec, cache: AttackCache) -> Iterator[None]:
    """Where the disk is full, say how many images are kept."""
    try:
        yield
    except OSError as error:
        done = sum(map(cache.has, range(spec.pairs)))
        cure = explain_full_disk(error, done=done, total=spec.pairs, folder=cache.folder)
        if cure is None:
            raise
        raise RuntimeError(cure) from error
