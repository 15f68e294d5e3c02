"""timm's image towers as a `Backbone`: features are what its classifier would see."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import timm
import torch
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch import Tensor, nn
from torchvision.transforms import Compose

from pipeline.backbones.backbone import Backbone
from pipeline.backbones.checkpoint_reading import reading_weights
from pipeline.backbones.checkpoints import WeightsError
from pipeline.backbones.feature_width import feature_width
from pipeline.backbones.model_arguments import model_arguments
from pipeline.backbones.model_spec import ModelSpec
from pipeline.backbones.transforms import split_normalisation
from pipeline.backbones.weights import read_record, weights_file


class PreLogits(nn.Module):
    """A timm model without its classifier: pooled (or class-token) features after the norm."""

    def __init__(self, model: nn.Module) -> None:
        """Keep the model; its classifier stays unused."""
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images [b 3 h w] to features [b d]."""
        return self.model.forward_head(self.model.forward_features(images), pre_logits=True)  # type: ignore[operator]


def load(name: str, spec: ModelSpec, weights: Path, device: torch.device) -> Backbone:
    """Build the model by timm itself, with its own evaluation transform."""
    model = _loaded(name, spec, weights_file(name, spec, weights))
    data_config = resolve_data_config(dict(spec.transform), model=model)
    transform = cast(Compose, create_transform(**data_config, is_training=False))
    pixels_transform, mean, std = split_normalisation(transform)
    classifier = _classifier(model)
    tower = PreLogits(model).eval().to(device)
    width = feature_width(
        tower,
        tuple(data_config["input_size"][1:]),
        device=device,
        setting=f"models.{name}.transform.input_size",
        cure=f"models.{name}.kwargs.img_size",
    )
    return Backbone(
        name=name,
        device=device,
        tower=tower,
        width=width,
        space="features",
        projection=None,
        logit_scale=None,
        transform=transform,
        pixels_transform=pixels_transform,
        mean=mean,
        std=std,
        text=None,
        classifier=classifier,
        description={
            "loader": "timm",
            "name": spec.name,
            "config": {**cast(Any, model).default_cfg, **spec.kwargs},
            "space": "features",
            "weights_sha256": read_record(weights)["sha256"],
            "transform": str(transform),
            "mean": mean,
            "std": std,
            "versions": {"timm": timm.__version__, "torch": torch.__version__},
        },
    )


def _loaded(name: str, spec: ModelSpec, path: Path | None) -> nn.Module:
    """Build the model with its weights; refuse a name, arguments or a file that do not fit."""
    own = str(spec.name)
    if ":" not in own and not timm.is_model(own.split(".")[0]):  # hf-hub: and local-dir: have one
        raise WeightsError(
            f"models.{name}.name must be a model of timm, which has none '{own}'; see "
            f"timm.list_models('*{own[:6]}*')"
        )
    section, model_name = f"models.{name}.kwargs", f"timm's model '{own}'"
    with (
        model_arguments(section, model_name),
        reading_weights(path, model_name, kwargs=section),
    ):
        return _create(spec, path)


def _create(spec: ModelSpec, path: Path | None) -> nn.Module:
    kwargs = dict(spec.kwargs)
    overlay: dict[str, Any] = {"file": str(path), "custom_load": False}
    if "num_classes" in kwargs:  # else timm would drop a local file's classifier of that size
        overlay["num_classes"] = kwargs["num_classes"]
    if path is None:
        torch.manual_seed(spec.seed)
        return timm.create_model(str(spec.name), pretrained=False, **kwargs).eval()
    return timm.create_model(
        str(spec.name),
        pretrained=True,
        pretrained_cfg_overlay=overlay,
        **kwargs,
    ).eval()


def _classifier(model: nn.Module) -> tuple[np.ndarray, np.ndarray] | None:
    """Copy the weight and the bias of a linear classifier; None where there is none."""
    head = cast(Any, model).get_classifier()
    if not isinstance(head, nn.Linear):
        return None
    bias = head.bias if head.bias is not None else torch.zeros(head.out_features)
    return head.weight.detach().numpy().copy(), bias.detach().numpy().copy()
