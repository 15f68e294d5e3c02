"""open_clip's two towers as a `Backbone`."""

import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import open_clip
import torch
from open_clip.model import get_model_preprocess_cfg
from open_clip.pretrained import get_pretrained_cfg
from open_clip.timm_model import TimmModel
from open_clip.transform import PreprocessCfg, image_transform_v2
from torch import Tensor, nn

from pipeline.backbones.backbone import Backbone
from pipeline.backbones.checkpoint_reading import reading_weights
from pipeline.backbones.checkpoints import WeightsError
from pipeline.backbones.feature_width import feature_width
from pipeline.backbones.model_arguments import model_arguments
from pipeline.backbones.model_spec import ModelSpec
from pipeline.backbones.transforms import split_normalisation
from pipeline.backbones.weights import read_record, weights_file

TEXT_BATCH = 256
PREPROCESS = ("mean", "std", "interpolation", "resize_mode")  # what a tag's entry may say

MODEL_PARTS = ("embed_dim", "vision_cfg", "text_cfg")  # else open_clip does not register it


class _Towers(NamedTuple):
    """Both towers as open_clip builds them, on the CPU."""

    model: Any
    transform: Any
    tokenizer: Callable[[list[str]], Tensor]
    config: dict[str, Any]


def load(name: str, spec: ModelSpec, weights: Path, device: torch.device) -> Backbone:
    """Build the model by open_clip itself, then cut the image tower before its projection."""
    built = _build(name, spec, weights)
    pixels_transform, mean, std = split_normalisation(built.transform)
    visual = built.model.visual
    projection = None if spec.space == "joint" else _separate_projection(visual)
    space = "joint" if projection is None else "features"
    size = get_model_preprocess_cfg(built.model).get("size", 224)
    visual = visual.to(device)
    width = feature_width(
        visual,
        (size, size) if isinstance(size, int) else tuple(size),
        device=device,
        setting=f"models.{name}.transform.size",
        cure=f"models.{name}.kwargs.force_image_size",
    )
    return Backbone(
        name=name,
        device=device,
        tower=visual,
        width=width,
        space=space,
        projection=projection,
        logit_scale=float(built.model.logit_scale.exp()),
        transform=built.transform,
        pixels_transform=pixels_transform,
        mean=mean,
        std=std,
        text=_text_encoder(built, device),
        classifier=None,
        description={
            "loader": "open_clip",
            "name": spec.name,
            "pretrained": spec.pretrained,
            "config": built.config,
            "space": space,
            "weights_sha256": read_record(weights)["sha256"],
            "transform": str(built.transform),
            "mean": mean,
            "std": std,
            "versions": {"open_clip": open_clip.__version__, "torch": torch.__version__},
        },
    )


def _build(name: str, spec: ModelSpec, weights: Path) -> _Towers:
    """Build the model with its weights, frozen; refuse arguments or a file that do not fit."""
    path = weights_file(name, spec, weights)
    with tempfile.TemporaryDirectory() as folder:
        identifier, preprocess = _identifier(name, spec, weights, Path(folder))
        model_name = f"open_clip's model '{identifier}'"
        with model_arguments(_section(name, spec), model_name), reading_weights(path, model_name):
            model, transform = _create(identifier, spec, path, preprocess | spec.transform)
        config = open_clip.get_model_config(identifier) or {}
        tokenizer = open_clip.get_tokenizer(identifier)
    model.eval().requires_grad_(requires_grad=False)
    return _Towers(model, transform, tokenizer, config)


def _text_encoder(built: _Towers, device: torch.device) -> Callable[[list[str]], np.ndarray]:
    """Return what maps texts to unit vectors of the joint space [t e]."""
    model, tokenizer = built.model, built.tokenizer

    @torch.inference_mode()
    def text(texts: list[str]) -> np.ndarray:
        model.to(device)  # only here: extraction needs no text tower on the device
        batches = [texts[start : start + TEXT_BATCH] for start in range(0, len(texts), TEXT_BATCH)]
        parts = [model.encode_text(tokenizer(b).to(device), normalize=True) for b in batches]
        return torch.cat(parts).float().cpu().numpy()

    return text


def _identifier(
    name: str, spec: ModelSpec, weights: Path, folder: Path
) -> tuple[str, dict[str, Any]]:
    """Return open_clip's name for the model and its preprocessing; register a local one."""
    if spec.name:
        if ":" not in spec.name and not open_clip.get_model_config(spec.name.replace("/", "-")):
            raise WeightsError(
                f"models.{name}.name must be a model of open_clip, which has none '{spec.name}'; "
                "see open_clip.list_models(), or give its configuration as `config`"
            )
        cfg = get_pretrained_cfg(spec.name, spec.pretrained) if spec.pretrained else {}
        return spec.name, {k: cfg[k] for k in PREPROCESS if k in cfg}
    source = Path(spec.config) if spec.config else weights / "open_clip_config.json"
    config = _configuration(source)
    model_cfg = config.get("model_cfg", config)
    if missing := [part for part in MODEL_PARTS if part not in model_cfg]:
        raise ValueError(
            f"{source} must be an open_clip model configuration with {', '.join(MODEL_PARTS)}; "
            f"it lacks {', '.join(missing)}"
        )
    registered = f"{name}-{source.stem}".replace("/", "-")
    path = folder / f"{registered}.json"
    path.write_text(json.dumps(model_cfg), encoding="utf-8")
    open_clip.add_model_config(path)
    return registered, config.get("preprocess_cfg", {})


def _configuration(source: Path) -> dict[str, Any]:
    try:
        config = json.loads(source.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(
            f"{source} must be an open_clip model configuration in JSON: {error}; mend the file"
        ) from error
    if not isinstance(config, dict):
        raise WeightsError(
            f"{source} must be an open_clip model configuration, a mapping, got a "
            f"{type(config).__name__}; mend the file"
        )
    return config


def _section(name: str, spec: ModelSpec) -> str:
    """Say where the model's arguments stand in params.yaml."""
    if spec.name:
        return f"models.{name}.kwargs"
    return f"models.{name}.kwargs and its configuration {spec.config or '`model_cfg`'}"


def _create(
    identifier: str, spec: ModelSpec, path: Path | None, preprocess: dict[str, Any]
) -> tuple[Any, Any]:
    cfg = get_pretrained_cfg(spec.name, spec.pretrained) if spec.name and spec.pretrained else {}
    quick_gelu = bool(cfg.get("quick_gelu", False))  # 'openai' weights were trained with it
    if path is None:
        torch.manual_seed(spec.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*QuickGELU.*")
        model = open_clip.create_model(
            identifier,
            pretrained=None if path is None else str(path),
            force_quick_gelu=quick_gelu,
            force_preprocess_cfg=preprocess,
            pretrained_image=False,
            require_pretrained=path is not None,
            **spec.kwargs,
        )
    transform = image_transform_v2(PreprocessCfg(**get_model_preprocess_cfg(model)), is_train=False)
    return model, transform


def _separate_projection(visual: Any) -> np.ndarray | None:
    """Take a linear projection off the tower; None where it cannot be separated."""
    projection = getattr(visual, "proj", None)
    if isinstance(projection, nn.Parameter):  # open_clip's own vision transformer
        visual.proj = None
        return projection.detach().float().numpy()
    if isinstance(visual, TimmModel):
        layers = dict(visual.head.named_children())
        linear = layers.get("proj")
        if (
            set(layers) <= {"drop", "proj"}
            and isinstance(linear, nn.Linear)
            and linear.bias is None
        ):
            cast(Any, visual).head = nn.Identity()
            return linear.weight.detach().float().numpy().T.copy()
    return None  # attention pools (RN50) and MLP heads are not one linear map
