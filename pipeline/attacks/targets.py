"""Choose the goal of a crafted set by its ``target``, and say what it depends on."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Float32

from pipeline.attacks.crafting import GoalOf
from pipeline.attacks.goals import (
    class_means,
    class_texts,
    nearest_images,
    probe_logits,
    random_images,
)
from pipeline.attacks.indexed_images import IndexedImages
from pipeline.attacks.pairs import draw_targets
from pipeline.attacks.spec import CraftSpec
from pipeline.attacks.surrogate import Surrogate
from pipeline.detectors.gaussians import ClassGaussians
from pipeline.language.class_folders import class_folders
from pipeline.training.heads import Probe

ENCODE_BATCH = 64


@dataclass(frozen=True)
class TargetInputs:
    """What some targets need beside the bank's images.

    Attributes:
        text: Arrays of the surrogate's text store (class_embeddings, projection).
        head: A trained linear head on the surrogate's features.
        bank_features: The surrogate's features of the bank, in index order.
    """

    text: dict[str, np.ndarray] | None = None
    head: Probe | None = None
    bank_features: Float32[np.ndarray, "m d"] | None = None


def choose_goal(
    spec: CraftSpec, bank: IndexedImages, surrogate: Surrogate, inputs: TargetInputs
) -> tuple[GoalOf, list[Any]]:
    """Return what batches are pushed towards, and a JSON-ready identity of it for the cache key.

    Raises:
        ValueError: If the target needs an input that is not there, or a bank of labelled classes.
    """
    features = inputs.bank_features
    match spec.target:
        case "random":
            targets = draw_targets(len(bank), pairs=spec.pairs, seed=spec.seed)
            goal_of = random_images(targets, surrogate=surrogate, bank_pixels=bank.pixels)
            return goal_of, identity(bank.index[targets.tolist()])
        case "nearest":
            if len(bank) == 0:
                raise ValueError("the ID target set has no rows; index a set of images")
            stream = [features] if features is not None else encode_all(bank, surrogate)
            goal_of = nearest_images(stream, surrogate=surrogate, bank_pixels=bank.pixels)
            return goal_of, [*identity(bank.index), "store" if features is not None else "images"]
        case "class_text":
            if inputs.text is None:
                raise ValueError("target: class_text needs --text, the surrogate's class texts")
            texts, projection = inputs.text["class_embeddings"], inputs.text.get("projection")
            names = class_folders(bank.index)
            goal_of = class_texts(texts, projection, names, surrogate=surrogate)
            return goal_of, [_digest(texts), *names]
        case "probe":
            if inputs.head is None:
                raise ValueError("target: probe needs --heads, heads trained on the surrogate")
            goal_of = probe_logits(inputs.head, class_folders(bank.index), surrogate=surrogate)
            return goal_of, [_digest(inputs.head.weight), _digest(inputs.head.bias)]
    if features is None:
        raise ValueError("target: class_mean needs --bank-store, the surrogate's bank features")
    gaussians, _ = ClassGaussians.fit(features, bank.index["label"].to_numpy())
    goal_of = class_means(gaussians, class_folders(bank.index), surrogate=surrogate)
    return goal_of, [_digest(gaussians.whitening), _digest(gaussians.means)]


def identity(rows: pl.DataFrame) -> list[list[Any]]:
    """What an index says of some rows, JSON-ready: path and content hash."""
    return [list(row) for row in rows.select("row", "path", "sha256").rows()]


def encode_all(images: IndexedImages, surrogate: Surrogate) -> Iterator[Float32[np.ndarray, "b d"]]:
    """The surrogate's features of all images, batch by batch."""
    for start in range(0, len(images), ENCODE_BATCH):
        rows = range(start, min(start + ENCODE_BATCH, len(images)))
        pixels = torch.stack([images.pixels(row) for row in rows]).to(surrogate.device)
        with torch.no_grad():
            yield surrogate.encode(pixels).cpu().numpy()


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
