"""One fine-tuning: from a backbone's weights and indexed images to the trained model."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch import nn

from pipeline.backbones.loading import load_backbone
from pipeline.backbones.model_arguments import model_arguments
from pipeline.backbones.model_spec import model_spec
from pipeline.backbones.weights import read_record
from pipeline.datasets.images import ImageParams
from pipeline.devices import device_names, resolve
from pipeline.extraction.content_key import content_key, index_digest, model_identity
from pipeline.extraction.decoding import ImageReader
from pipeline.language.class_folders import class_folders
from pipeline.sources import Source
from pipeline.training.finetune_images import Images
from pipeline.training.finetune_recipe import FinetuneRecipe
from pipeline.training.finetune_start import starting_model
from pipeline.training.finetuning import Place, finetune
from pipeline.training.loss_meter import LossMeter
from pipeline.training.train_together import train_together

VERSION = 2  # raise when a change of this code changes weights


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything that one of the training processes needs; picklable.

    Attributes:
        backbone: Name of the fine-tuned backbone.
        entry: Its entry of the backbone table.
        start: Name of the backbone it starts from.
        start_entry: That one's entry.
        start_weights: That one's weights folder.
        index: ID training images; those of label -1 stay out.
        source: Where they are.
        images: How files become pictures.
        recipe: How it is trained.
        checkpoint: Where the state goes after each epoch.
    """

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


def train_on(devices: list[str], job: Job) -> nn.Module:
    """Train on all devices together, in this process for one device, in one each for several."""
    if len(devices) == 1:
        return job.train(Place(torch.device(devices[0])))
    return train_together(job.train, devices, job.checkpoint.parent)


def training_devices(recipe: FinetuneRecipe) -> list[str]:
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


def training_key(
    entry: dict[str, Any],
    start_weights: Path,
    index: pl.DataFrame,
    *,
    images: ImageParams,
    recipe: FinetuneRecipe,
    devices: int,
) -> str:
    """Return a hash of what decides the trained weights: a stopped run is continued by it alone.

    Args:
        entry: Of the fine-tuned backbone.
        start_weights: Weights folder of the backbone it starts from.
        index: ID training images.
        images: How files become pictures.
        recipe: How it is trained.
        devices: How many train together.
    """
    return content_key(
        {
            "code": VERSION,
            "start": read_record(start_weights)["sha256"],
            "model": model_identity(entry),
            "index": index_digest(index),
            "images": dataclasses.asdict(images),
            "recipe": dataclasses.asdict(recipe),
            "devices": devices,
        }
    )
