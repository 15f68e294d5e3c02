"""A backbone of the table with its weights, by the library that knows its architecture."""

from pathlib import Path
from typing import Any

import torch

from pipeline.backbones.backbone import Backbone
from pipeline.backbones.model_spec import ModelSpec, model_spec


def load_backbone(
    name: str,
    entry: dict[str, Any],
    weights: Path,
    device: torch.device | str = "cpu",
) -> Backbone:
    """Build a backbone of the table with the weights its `weights` folder recorded.

    Args:
        name: Key of the backbone table.
        entry: Its entry, ``models.<name>``.
        weights: Folder written by `pretrain`, `finetune`, `fetch_weights` or `record_weights`.
        device: Where the image tower goes.

    Raises:
        WeightsError: If weights are missing, changed since they were recorded, or of another
            architecture.
        ValueError: If the entry has no image tower (imported features).
    """
    spec: ModelSpec = model_spec(name, entry)
    if spec.loader == "open_clip":
        from pipeline.backbones.towers_open_clip import load
    elif spec.loader == "timm":
        from pipeline.backbones.towers_timm import load
    else:
        raise ValueError(
            f"backbone '{name}' is imported features and has no image tower: it can neither "
            "extract images nor serve as a surrogate"
        )
    # A GPU's convolutions would keep 10 bits of a float32's 23, unless another precision is asked.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    backbone = load(name, spec, weights, torch.device(device))
    backbone.tower.eval().requires_grad_(requires_grad=False)
    # Convolutions run 1.3 to 1.7 times as fast on a CPU (benchmarks/README.md), the rest as before.
    backbone.tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return backbone
