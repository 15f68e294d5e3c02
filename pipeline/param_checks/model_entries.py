"""Every entry of ``models`` has the keys of its loader, and its training those of its recipe."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pipeline.backbones.model_spec import model_spec
from pipeline.glyph_world.pretraining_params import TrainParams
from pipeline.params import from_mapping
from pipeline.training.finetune_recipe import FinetuneRecipe


def check_models(models: Mapping[str, dict[str, Any]], *, finetune: FinetuneRecipe) -> None:
    """Check the entries of the backbone table, without a look at files.

    Args:
        models: The table.
        finetune: Section ``finetune``, of which an entry overrides parts.

    Raises:
        ValueError: If a key is unknown or a value wrong, or a fine-tuned backbone starts from one
            that is not in the table.
    """
    for name, entry in models.items():
        spec = model_spec(name, entry)
        if spec.pretrain is not None:
            from_mapping(TrainParams, spec.pretrain, section=f"models.{name}.pretrain")
        if spec.finetune is None:
            continue
        section = f"models.{name}.finetune"
        recipe = from_mapping(
            FinetuneRecipe, dataclasses.asdict(finetune) | spec.finetune, section=section
        )
        if recipe.start not in models:
            raise ValueError(
                f"{section}.start must name the backbone it starts from, got '{recipe.start}'; "
                f"known: {', '.join(models)}"
            )
