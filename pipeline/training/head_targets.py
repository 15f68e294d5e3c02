"""What each head of a backbone is trained towards, and which heads do not apply."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int32

from pipeline.training.probe_recipe import ProbeParams
from pipeline.training.probe_targets import Targets, few_shot, from_labels, from_pseudo_labels
from pipeline.training.pseudo_labels import cosine_softmax, embeddings, read_pseudo_labels


def choose_targets(
    labels: Int32[np.ndarray, " n"],
    pseudo_labels: Path,
    about: dict[str, Any],
    arrays: dict[str, Float32[np.ndarray, "_ _"]],
    text: dict[str, Any],
    params: ProbeParams,
) -> tuple[dict[str, Targets], dict[str, str]]:
    """Return the training rows of each head, and the heads that do not apply with the reason.

    Args:
        labels: Ground truth of the bank's rows; -1 where there is none.
        pseudo_labels: File of stage pseudo_label.
        about: What that file must have been made from.
        arrays: Of the text store: class_embeddings [c e], and projection [d e] where there is one.
        text: What the text store says: class_names, whether it is applicable, else the reason.
        params: Section ``probe`` of params.yaml.
    """
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
    features: Float[np.ndarray, "n d"],
    *,
    arrays: dict[str, Float32[np.ndarray, "_ _"]],
    temperature: float,
) -> Float32[np.ndarray, "n c"]:
    """Return the softmax of cosines / temperature over the classes, of rows of any norm."""
    cosines = embeddings(features, arrays.get("projection")) @ arrays["class_embeddings"].T
    return cosine_softmax(cosines, temperature=temperature)
