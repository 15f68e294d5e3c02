"""What each head of a backbone is trained towards, and which heads do not apply."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.training.probe_recipe import ProbeParams
from pipeline.training.probe_targets import Targets, few_shot, from_labels, from_pseudo_labels
from pipeline.training.pseudo_labels import cosine_softmax, embeddings, read_pseudo_labels


def choose_targets(
    labels: np.ndarray,
    pseudo_labels: Path,
    about: dict[str, Any],
    arrays: dict[str, np.ndarray],
    text: dict[str, Any],
    params: ProbeParams,
) -> tuple[dict[str, Targets], dict[str, str]]:
    """Return the training rows of each head, and the heads that do not apply with the reason."""
    names = text["class_names"]
    targets: dict[str, Targets] = {}
    absent: dict[str, str] = {}
    if text["applicable"]:
        table, options = read_pseudo_labels(pseudo_labels, about, classes=len(names))
        targets["plp"] = from_pseudo_labels(
            table["row"].to_numpy(),
            table["pseudo_label"].to_numpy(),
            bank_rows=len(labels),
            classes=len(names),
        )
        if options.get("soft"):
            soft = partial(soft_targets, arrays=arrays, temperature=options["temperature"])
            targets["plp"] = dataclasses.replace(targets["plp"], soft=soft)
    else:
        absent["plp"] = text["reason"]
    if (labels >= 0).any():
        targets["lp"] = from_labels(labels, names)
        if params.shots:

            def shots_of(seed: int) -> Targets:
                return few_shot(labels, names, shots=params.shots, seed=seed)

            first = shots_of(params.seeds[0])
            targets["few_shot"] = dataclasses.replace(first, drawn=shots_of)
    else:
        absent["lp"] = "the ID training images have no labels"
    return targets, absent


def soft_targets(
    features: np.ndarray, *, arrays: dict[str, np.ndarray], temperature: float
) -> np.ndarray:
    """Return the softmax of cosines / temperature of raw rows."""
    cosines = embeddings(features, arrays.get("projection")) @ arrays["class_embeddings"].T
    return cosine_softmax(cosines, temperature=temperature)
