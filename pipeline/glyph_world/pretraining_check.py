"""Accuracy of a pretrained model on the capitals, drawn in memory: a check right after training.

The study itself measures accuracy from its stores; this is what `pretrain` prints, kept apart so
that an edit of the study's code never trains a model again.
"""

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from open_clip.model import CLIP
from torch import Tensor

from pipeline.glyph_world.glyph_sets import draw_class, group_classes, stream
from pipeline.glyph_world.glyphs import Distortion
from pipeline.glyph_world.pretraining import normalise

PROMPTS = (
    "a photo of a {}.",
    "a blurry photo of a {}.",
    "a photo of many {}.",
    "a photo of the large {}.",
    "a photo of the small {}.",
)
NEIGHBOURS, TEMPERATURE = 20, 0.02


@torch.inference_mode()
def accuracies(
    model: CLIP, *, distortion: Distortion, seed: int, train_per_class: int, test_per_class: int
) -> dict[str, float]:
    """Return top-1 accuracy on test capitals: ``zero_shot`` in the joint space, ``knn_20`` before.

    Args:
        model: open_clip's model with a linear projection behind its timm trunk.
        distortion: The recipe of the images.
        seed: That of the benchmark's data sets, to see the same images.
        train_per_class: Size of the bank.
        test_per_class: Images that are classified.
    """
    bank, bank_labels = _features(
        model, "capitals_train", train_per_class, distortion=distortion, seed=seed
    )
    queries, labels = _features(
        model, "capitals_test", test_per_class, distortion=distortion, seed=seed
    )
    classes = zero_shot_classes(model, group_classes("latin"))
    zero_shot = (
        F.normalize(model.visual.get_submodule("head")(queries), dim=1) @ classes.T
    ).argmax(dim=1)
    knn = knn_classify(queries, bank, bank_labels, classes=len(classes))
    return {
        "zero_shot": (zero_shot == labels).double().mean().item(),
        "knn_20": (knn == labels).double().mean().item(),
    }


def zero_shot_classes(model: CLIP, names: tuple[str, ...]) -> Float32[Tensor, "c e"]:
    """Return the mean direction of each class's prompts."""
    tokenizer = open_clip.SimpleTokenizer(context_length=model.context_length)
    texts = tokenizer([prompt.format(name) for name in names for prompt in PROMPTS])
    each = model.encode_text(texts, normalize=True)
    return F.normalize(each.reshape(len(names), len(PROMPTS), -1).mean(dim=1), dim=1)


def knn_classify(
    queries: Float32[Tensor, "n d"],
    bank: Float32[Tensor, "m d"],
    bank_labels: Int64[Tensor, " m"],
    *,
    classes: int,
) -> Int64[Tensor, " n"]:
    """Vote among the 20 nearest bank rows by cosine, weighted exp(cosine / 0.02)."""
    cosines = F.normalize(queries, dim=1) @ F.normalize(bank, dim=1).T
    nearest, rows = cosines.topk(min(NEIGHBOURS, len(bank)), dim=1)
    weights = ((nearest - nearest[:, :1]) / TEMPERATURE).exp()  # relative to the best: no overflow
    votes = torch.zeros(len(queries), classes).scatter_add_(1, bank_labels[rows], weights)
    return votes.argmax(dim=1)


def _features(
    model: CLIP, part: str, per_class: int, *, distortion: Distortion, seed: int
) -> tuple[Tensor, Tensor]:
    """Return features before the projection and labels of one part of the capitals."""
    names = group_classes("latin")
    drawn = [
        draw_class("latin", name, per_class, stream(seed, part, name), distortion=distortion)[0]
        for name in names
    ]
    pixels = normalise(np.concatenate(drawn))
    trunk = model.visual.get_submodule("trunk")
    features = torch.cat([trunk(batch) for batch in pixels.split(256)])
    return features, torch.arange(len(names)).repeat_interleave(per_class)
