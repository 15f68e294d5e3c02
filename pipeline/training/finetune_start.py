"""Where fine-tuning starts: a pretrained image tower with a new classifier, as a timm model."""

from typing import Any

import timm
import torch
from torch import nn

from pipeline.backbones.model_spec import ModelSpec


def starting_model(
    backbone: str, spec: ModelSpec, tower: nn.Module, *, classes: int, head_std: float, seed: int
) -> nn.Module:
    """Return the timm model `spec.name` with the tower's weights and a new linear classifier.

    Args:
        backbone: Name of the fine-tuned backbone, for messages.
        spec: Its entry.
        tower: Image tower of the backbone it starts from: timm's own, a timm trunk inside
            open_clip, or open_clip's vision transformer (timm's ``*_clip_*`` models are the same).
        classes: Number of ID classes.
        head_std: Deviation of the classifier's truncated normal start; its bias starts at 0.
        seed: Of the classifier.

    Raises:
        ValueError: If the architecture is not that of the tower.
    """
    if spec.loader != "timm" or not spec.name or spec.kwargs.get("num_classes") != 0:
        raise ValueError(
            f"models.{backbone} is fine-tuned here, so it must be {{loader: timm, name: …, kwargs: "
            f"{{num_classes: 0}}}} with the timm name of its image tower (its classifier is kept "
            f"apart); got loader '{spec.loader}', name {spec.name!r}, kwargs {spec.kwargs}"
        )
    model = timm.create_model(
        spec.name, pretrained=False, **{**spec.kwargs, "num_classes": classes}
    )
    head = model.get_classifier()  # type: ignore[operator]
    if not isinstance(head, nn.Linear):
        raise ValueError(f"timm's '{spec.name}' has no linear classifier; choose another model")
    own = classifier_keys(model)
    state = {key: value for key, value in tower_state(tower, model).items() if key not in own}
    wanted = {key: value.shape for key, value in model.state_dict().items() if key not in own}
    given = {key: value.shape for key, value in state.items()}
    if wanted != given:
        odd = sorted(key for key in {*wanted, *given} if wanted.get(key) != given.get(key))
        raise ValueError(
            f"models.{backbone}.name = '{spec.name}' is not the architecture of the tower it "
            f"starts from: they differ in {len(odd)} tensors, the first is '{odd[0]}' "
            f"({tuple(given.get(odd[0], ()))} given, {tuple(wanted.get(odd[0], ()))} wanted)"
        )
    model.load_state_dict(state, strict=False)
    generator = torch.Generator().manual_seed(seed)
    nn.init.trunc_normal_(head.weight, std=head_std, generator=generator)
    if head.bias is not None:
        nn.init.zeros_(head.bias)
    return model


def classifier_keys(model: nn.Module) -> set[str]:
    """Return the names of the classifier's tensors in the model's state."""
    head = model.get_classifier()  # type: ignore[operator]
    name = next(name for name, module in model.named_modules() if module is head)
    return {f"{name}.{part}" for part in head.state_dict()}


def tower_state(tower: nn.Module, model: nn.Module) -> dict[str, Any]:
    """Return a tower's weights under timm's names."""
    for inner in ("trunk", "model"):  # a timm trunk in open_clip; a timm model without classifier
        if isinstance(module := getattr(tower, inner, None), nn.Module):
            return module.state_dict()
    from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

    state = {f"visual.{key}": value for key, value in tower.state_dict().items()}
    if "visual.class_embedding" in state and isinstance(model, VisionTransformer):
        converted = checkpoint_filter_fn(state, model)
        return {key: value for key, value in converted.items() if not key.startswith("head.")}
    raise ValueError(
        f"a tower of the kind {type(tower).__name__} cannot be fine-tuned here; start from a timm "
        "model, a timm trunk in open_clip, or open_clip's vision transformer"
    )
