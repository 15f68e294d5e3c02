"""The weights folder of a fine-tuned backbone: its image tower, its classifier, their record."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from pipeline.backbones.weights import read_record, write_record
from pipeline.files import file_hash
from pipeline.training.classifier_head import FILE, plain_head
from pipeline.training.finetune_job import Job
from pipeline.training.finetune_start import classifier_keys
from pipeline.training.heads import write_probe


def write_finetuned(folder: Path, model: nn.Module, job: Job) -> dict[str, Any]:
    """Write ``model.safetensors`` under timm's names, ``head.safetensors`` and ``weights.json``.

    Args:
        folder: Where they go.
        model: As it was trained, with its classifier.
        job: What trained it.

    Returns:
        The record in ``weights.json``.
    """
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
