"""The classification head that a fine-tuned backbone brings along, as the head `ft`."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.backbones.model_spec import model_spec
from pipeline.training.heads import Probe, read_probe

FILE = "head.safetensors"  # in the weights folder of a model that was fine-tuned here


class NoClassifierError(Exception):
    """The backbone has no classifier of the ID classes; the message is the reason to show."""


def plain_head(weight: Float[np.ndarray, "c d"], bias: Float[np.ndarray, " c"]) -> Probe:
    """Return a classifier on raw features as a head: nothing is standardised."""
    width = weight.shape[1]
    return Probe(
        weight.astype(np.float32),
        bias.astype(np.float32),
        np.zeros(width, np.float32),
        np.ones(width, np.float32),
    )


def classifier_head(backbone: str, entry: dict[str, Any], weights: Path, *, classes: int) -> Probe:
    """Return a backbone's own classifier of the ID classes.

    Args:
        backbone: Its name in the backbone table.
        entry: Its entry.
        weights: Its weights folder.
        classes: Number of ID classes; a classifier of another number is of other classes.

    Raises:
        NoClassifierError: If there is none; says why.
    """
    if (weights / FILE).is_file():
        head = read_probe(weights / FILE, stage="finetune")
    elif entry.get("loader") == "timm" and not entry.get("random_weights"):
        spec = model_spec(backbone, entry)
        _check(declared_classes(str(spec.name), spec.kwargs), classes)

        from pipeline.backbones.loading import load_backbone

        classifier = load_backbone(backbone, entry, weights).classifier
        if classifier is None:
            raise NoClassifierError("its model has no linear classifier")
        head = plain_head(*classifier)
    else:
        raise NoClassifierError("it was not fine-tuned: it has no classifier")
    _check(len(head.weight), classes)
    return head


def declared_classes(name: str, kwargs: dict[str, Any]) -> int | None:
    """Return the classes that timm's table gives a model, without building it."""
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    return kwargs.get("num_classes", None if config is None else config.num_classes)


def _check(found: int | None, classes: int) -> None:
    if found == 0:
        raise NoClassifierError("it was not fine-tuned: it has no classifier")
    if found is not None and found != classes:
        raise NoClassifierError(f"its classifier has {found} classes, the ID set has {classes}")
