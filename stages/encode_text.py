"""Encode the ID class names in prompts by a backbone's text tower.

    python -m stages.encode_text BACKBONE PARAMS WEIGHTS BANK_INDEX TEXT

Reads   PARAMS      section text and benchmark.class_names, written by check_params with the hashes
                    of the files they name
        WEIGHTS     weights folder of the backbone
        BANK_INDEX  index of the ID training set: its class names, unless benchmark.class_names
Writes  TEXT        Zarr store: class_embeddings, projection; with text.negative_words, or a file of
                    their vectors in the entry, also negative_embeddings, mined. Attribute
                    `applicable` is false without a text tower; `device` names the kind of GPU
                    that gave the last bits, where one did.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.backbones.weights import read_entry
from pipeline.datasets.index import read_index
from pipeline.language.class_folders import class_folders
from pipeline.language.class_names import class_names, equal_names
from pipeline.language.negative_labels import mine_negatives
from pipeline.language.prompts import prompt_set
from pipeline.language.text_params import TextParams
from pipeline.params import load_params, read_section
from pipeline.stage import run_stage
from pipeline.storage.write_store import write_arrays


def run(
    backbone: str,
    entry: dict[str, Any],
    weights: Path,
    folders: list[str],
    named: str | list[str] | None,
    params: TextParams,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and attributes of the text store; see the module docstring."""
    names = class_names(named, folders, underscores_to_spaces=params.underscores_to_spaces)
    attributes: dict[str, Any] = {
        "backbone": backbone,
        "class_names": names,
        "equal_names": equal_names(names),
        "names": named if isinstance(named, str) else "listed" if named else "folders",
        "prompts": params.prompts,
        "sentences": prompt_set(params.prompts),
    }
    if entry.get("loader") == "features":
        return imported(backbone, entry, attributes, negative_share=params.negative_share)
    if entry.get("loader") == "timm":  # known without building the model
        return {}, attributes | not_applicable("its loader, timm, has no text tower")

    from pipeline.backbones.backbone import pick_device
    from pipeline.backbones.loading import load_backbone
    from pipeline.language.text import class_embeddings

    device = pick_device()
    tower = load_backbone(backbone, entry, weights, device)
    if tower.text is None:
        return {}, attributes | not_applicable("it has no text tower")
    arrays = {"class_embeddings": class_embeddings(tower.text, names, attributes["sentences"])}
    if tower.projection is not None:
        arrays["projection"] = tower.projection.astype(np.float32)
    if params.negative_words is not None:
        from pipeline.language.text_negatives import negative_labels

        negatives, words = negative_labels(
            tower.text, names, arrays["class_embeddings"], params=params
        )
        arrays["negative_embeddings"] = negatives
        attributes["negative_words"] = words
    if device.type == "cuda":
        import torch

        attributes["device"] = torch.cuda.get_device_name(device)
    attributes |= {
        "applicable": True,
        "logit_scale": tower.logit_scale,
        "weights_sha256": tower.description["weights_sha256"],
    }
    return arrays, attributes


def imported(
    backbone: str, entry: dict[str, Any], attributes: dict[str, Any], *, negative_share: float
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return class embeddings and mined negative words that came with imported features, if any."""
    if entry.get("class_embeddings") is None:
        reason = f"models.{backbone}.class_embeddings names no file"
        return {}, attributes | not_applicable(reason)
    from pipeline.extraction.imports import import_text

    arrays = import_text(backbone, entry, classes=len(attributes["class_names"]))
    if "negative_embeddings" in arrays:
        words = arrays["negative_embeddings"]
        mined = mine_negatives(words, arrays["class_embeddings"], share=negative_share)
        arrays["negative_embeddings"] = words[mined]
    attributes |= {"prompts": "imported", "sentences": []}
    return arrays, attributes | {"applicable": True, "logit_scale": entry.get("logit_scale")}


def not_applicable(reason: str) -> dict[str, Any]:
    """Return the attributes of a backbone without a text side."""
    return {"applicable": False, "reason": f"no zero-shot, MCM or PLP: {reason}"}


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    for path in ("params", "weights", "bank_index", "text"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    arrays, attributes = run(
        args.backbone,
        read_entry(args.weights),
        args.weights,
        class_folders(read_index(args.bank_index)),
        read_section("benchmark.class_names", path=args.params),
        load_params("text", TextParams, path=args.params),
    )
    write_arrays(args.text, arrays, attributes)
    for name, places in attributes["equal_names"].items():
        print(
            f"warning: classes {', '.join(map(str, places))} are all named '{name}': only "
            f"class {places[0]} can win",
            file=sys.stderr,
        )
    done = f"{len(attributes['class_names'])} class embeddings, prompts {attributes['prompts']}"
    print(f"{args.backbone}: {done if attributes['applicable'] else attributes['reason']}")


if __name__ == "__main__":
    run_stage(main)
