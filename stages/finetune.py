"""Fine-tune a backbone's image tower on the ID training images: the paper's other arm.

    python -m stages.finetune BACKBONE START START_WEIGHTS DATASET INDEX WEIGHTS

Reads   START_WEIGHTS  weights folder of the backbone START that training starts from
        INDEX          ID training images; where they lie is datasets.DATASET
Writes  WEIGHTS        folder: model.safetensors (the image tower under timm's names),
                       head.safetensors (its classifier, the head `ft`), weights.json

After each epoch the state goes to a side cache outside WEIGHTS; killed at any moment, the next
run continues with the next epoch.
"""

import argparse
import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.backbones.weights import read_entry
from pipeline.cache_folder import cache_root
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index
from pipeline.extraction.locks import one_writer
from pipeline.folders import folder_written_whole
from pipeline.params import from_mapping, load_params, read_section
from pipeline.sources import load_spec, open_source
from pipeline.stage import run_stage
from pipeline.training.finetune_job import Job, train_on, training_devices, training_key
from pipeline.training.finetune_recipe import FinetuneRecipe, start_left_warning
from pipeline.training.finetune_weights import write_finetuned

LONGEST_WAIT = 3600.0  # seconds, for a run of the same training that outlived its killed parent


def run(job: Job, devices: list[str], folder: Path) -> dict[str, Any]:
    """Train on all devices together and write the weights folder; return its record."""
    return write_finetuned(folder, train_on(devices, job), job)


def recipe_of(backbone: str, entry: dict[str, Any], start: str) -> FinetuneRecipe:
    """Return section `finetune` with what the entry overrides."""
    if entry["finetune"].get("start") != start:
        raise ValueError(
            f"models.{backbone}.finetune.start must be the START of the command line, got "
            f"'{entry['finetune'].get('start')}' and '{start}'"
        )
    shared = dataclasses.asdict(load_params("finetune", FinetuneRecipe))
    return from_mapping(
        FinetuneRecipe, shared | entry["finetune"], section=f"models.{backbone}.finetune"
    )


def main() -> None:
    """Parse the paths, read the parameters, train, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    parser.add_argument("start")
    parser.add_argument("start_weights", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("index", type=Path)
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()

    entry = read_section(f"models.{args.backbone}")
    recipe = recipe_of(args.backbone, entry, args.start)
    index = read_index(args.index)
    if warning := start_left_warning(recipe, index.filter(pl.col("label") >= 0).height):
        print(f"warning: {args.backbone}: {warning}", file=sys.stderr)
    images = load_params("images", ImageParams)
    devices = training_devices(recipe)
    key = training_key(
        entry, args.start_weights, index, images=images, recipe=recipe, devices=len(devices)
    )
    unfinished = cache_root() / "finetuning" / key
    checkpoint = unfinished / "epochs.pt"
    job = Job(
        backbone=args.backbone,
        entry=entry,
        start=args.start,
        start_entry=read_entry(args.start_weights),
        start_weights=args.start_weights,
        index=index,
        source=open_source(load_spec(args.dataset)),
        images=images,
        recipe=recipe,
        checkpoint=checkpoint,
    )
    with one_writer(
        unfinished.with_suffix(".lock"),
        what=args.backbone,
        timeout=LONGEST_WAIT,
        doing="fine-tuned",
        limit="the longest wait",
    ):
        if checkpoint.exists():
            print(f"{args.backbone}: continuing a run that was stopped", file=sys.stderr)
        with folder_written_whole(args.weights) as partial:
            record = run(job, devices, partial)
        shutil.rmtree(unfinished, ignore_errors=True)
    print(
        f"{args.backbone}: fine-tuned from {args.start}, {record['num_classes']} classes, "
        f"sha256 {record['sha256'][:16]}"
    )


if __name__ == "__main__":
    run_stage(main, kept="finished epochs are kept, run the same command again to continue")
