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

import numpy as np
import polars as pl
import torch
from safetensors.torch import save
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch import nn

from pipeline.backbones.loading import load_backbone
from pipeline.backbones.model_arguments import model_arguments
from pipeline.backbones.model_spec import model_spec
from pipeline.backbones.weights import read_entry, read_record, write_record
from pipeline.cache_folder import cache_root
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index
from pipeline.devices import device_names, resolve
from pipeline.extraction.content_key import content_key, index_digest, model_identity
from pipeline.extraction.decoding import ImageReader
from pipeline.files import file_hash
from pipeline.folders import folder_written_whole
from pipeline.language.class_folders import class_folders
from pipeline.params import from_mapping, load_params, read_section
from pipeline.sources import Source, load_spec, open_source
from pipeline.stage import run_stage
from pipeline.training.classifier_head import FILE, plain_head
from pipeline.training.finetune_images import Images
from pipeline.training.finetune_recipe import LARGE_SHARE, FinetuneRecipe
from pipeline.training.finetune_start import classifier_keys, starting_model
from pipeline.training.finetuning import Place, finetune
from pipeline.training.heads import write_probe
from pipeline.training.loss_meter import LossMeter
from pipeline.training.train_together import train_together

VERSION = 2  # raise when a change of this code changes weights


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything that one of the training processes needs; picklable."""

    backbone: str
    entry: dict[str, Any]
    start: str
    start_entry: dict[str, Any]
    start_weights: Path
    index: pl.DataFrame
    source: Source
    images: ImageParams
    recipe: FinetuneRecipe
    checkpoint: Path

    def train(self, place: Place) -> nn.Module:
        """Build the model, train it, return what `recipe.keep` says."""
        try:
            return self._train(place)
        except torch.OutOfMemoryError as error:
            error.add_note(f"lower finetune.batch_size (now {self.recipe.batch_size})")
            raise

    def _train(self, place: Place) -> nn.Module:
        spec = model_spec(self.backbone, self.entry)
        classes = len(class_folders(self.index))
        tower = load_backbone(self.start, self.start_entry, self.start_weights).tower
        with model_arguments(f"models.{self.backbone}.kwargs", f"timm's model '{spec.name}'"):
            model = starting_model(
                self.backbone,
                spec,
                tower,
                classes=classes,
                head_std=self.recipe.head_std,
                seed=self.recipe.seed,
            )
        config = resolve_data_config(dict(spec.transform), model=model)
        labelled = self.index.filter(pl.col("label") >= 0)
        reader = ImageReader(
            self.source,
            labelled["path"].to_list(),
            labelled["sha256"].to_list(),
            create_transform(**config, is_training=False),  # type: ignore[arg-type]
            params=self.images,
        )
        labels = labelled["label"].to_numpy().astype(np.int64)
        images = Images.of(reader, labels, workers=self.recipe.workers, world=place.world)
        with LossMeter(f"fine-tuning {self.backbone}") as meter:
            return finetune(
                model,
                images,
                classes=classes,
                recipe=self.recipe,
                place=place,
                checkpoint=self.checkpoint,
                progress=meter,
            )


def run(job: Job, devices: list[str], folder: Path) -> dict[str, Any]:
    """Train on all devices together and write the weights folder; return its record."""
    if len(devices) == 1:
        model = job.train(Place(torch.device(devices[0])))
    else:
        model = train_together(job.train, devices, job.checkpoint.parent)
    model = model.cpu().eval()
    head = model.get_classifier()  # type: ignore[operator]
    folder.mkdir(parents=True, exist_ok=True)
    own = classifier_keys(model)
    state = {n: value.contiguous() for n, value in model.state_dict().items() if n not in own}
    (folder / "model.safetensors").write_bytes(save(state))
    bias = torch.zeros(head.out_features) if head.bias is None else head.bias
    write_probe(folder / FILE, plain_head(head.weight.detach().numpy(), bias.detach().numpy()))
    record = {
        "backbone": job.backbone,
        "loader": "timm",
        "name": job.entry["name"],
        "entry": job.entry,
        "file": "model.safetensors",
        "sha256": file_hash(folder / "model.safetensors"),
        "num_classes": head.out_features,
        "start": {"backbone": job.start, "sha256": read_record(job.start_weights)["sha256"]},
        "epochs": job.recipe.epochs,
        "kept": job.recipe.keep,
    }
    write_record(folder, record)
    return record


def devices_of(recipe: FinetuneRecipe) -> list[str]:
    """Return the devices that train together.

    Raises:
        ValueError: If a GPU is asked for and torch sees none, or the batch cannot be shared out in
            pairs.
    """
    kind = resolve(recipe.device, parameter="finetune.device")
    devices = device_names(kind)
    if kind == "cuda" and recipe.batch_size % (2 * len(devices)):
        raise ValueError(
            f"finetune.batch_size must be a multiple of {2 * len(devices)}, two images for each "
            f"of {len(devices)} GPUs, got {recipe.batch_size}"
        )
    return devices


def doubt(recipe: FinetuneRecipe, rows: int) -> str | None:
    """Return a warning where what is kept has hardly left the weights it began with."""
    share = recipe.initial_share(rows)
    if share <= LARGE_SHARE:
        return None
    steps = recipe.epochs * recipe.steps_per_epoch(rows)
    return (
        f"the average that is kept still holds {share:.0%} of the weights it began with, the new "
        f"classifier's random ones too: finetune.ema = {recipe.ema:g} (the paper's: 0.99996) over "
        f"{steps:,} steps; finetune.keep: last keeps the trained weights, a smaller finetune.ema "
        "forgets faster"
    )


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
    if warning := doubt(recipe, index.filter(pl.col("label") >= 0).height):
        print(f"warning: {args.backbone}: {warning}", file=sys.stderr)
    images = load_params("images", ImageParams)
    devices = devices_of(recipe)
    key = content_key(
        {
            "code": VERSION,
            "start": read_record(args.start_weights)["sha256"],
            "model": model_identity(entry),
            "index": index_digest(index),
            "images": dataclasses.asdict(images),
            "recipe": dataclasses.asdict(recipe),
            "devices": len(devices),
        }
    )
    unfinished = cache_root() / "finetuning" / key
    checkpoint = unfinished / "epochs.pt"
    if checkpoint.exists():
        print(f"{args.backbone}: continuing a run that was stopped", file=sys.stderr)
    job = Job(
        args.backbone,
        entry,
        args.start,
        read_entry(args.start_weights),
        args.start_weights,
        index,
        open_source(load_spec(args.dataset)),
        images,
        recipe,
        checkpoint,
    )
    with folder_written_whole(args.weights) as partial:
        record = run(job, devices, partial)
    shutil.rmtree(unfinished, ignore_errors=True)
    print(
        f"{args.backbone}: fine-tuned from {args.start}, {record['num_classes']} classes, "
        f"sha256 {record['sha256'][:16]}"
    )


if __name__ == "__main__":
    run_stage(main, kept="finished epochs are kept, run the same command again to continue")
