"""Pretrain one small CLIP model on rendered image-caption pairs.

    python -m stages.pretrain BACKBONE WEIGHTS

Reads   models.BACKBONE and pretrain of params.yaml
Writes  WEIGHTS   folder with model.safetensors, open_clip_config.json (model and preprocessing; the
                  folder opens in open_clip as `local-dir:WEIGHTS`) and weights.json: backbone,
                  loader, file, sha256, steps, zero-shot and 20-NN accuracy reached
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from pipeline.backbones.model_arguments import model_arguments
from pipeline.folders import folder_written_whole
from pipeline.glyph_world.pretraining import PREPROCESS, build_model, train
from pipeline.glyph_world.pretraining_check import accuracies
from pipeline.glyph_world.pretraining_pairs import draw_pairs
from pipeline.glyph_world.pretraining_params import PretrainParams, TrainParams
from pipeline.params import from_mapping, load_params, read_section
from pipeline.progress import Progress
from pipeline.stage import run_stage


def run(
    backbone: str, entry: dict[str, Any], params: PretrainParams, weights: Path
) -> dict[str, Any]:
    """Train one model and write its folder; return the record."""
    if not entry.get("pretrain") or not entry.get("model_cfg"):
        raise ValueError(
            f"models.{backbone} is not pretrained here: it must have `model_cfg` and `pretrain`"
        )
    recipe = from_mapping(TrainParams, entry["pretrain"], section=f"models.{backbone}.pretrain")
    if params.threads is not None:
        torch.set_num_threads(params.threads)
    images, captions = draw_pairs(params.pairs)
    with model_arguments(f"models.{backbone}.model_cfg", "open_clip's CLIP"):
        model = build_model(entry["model_cfg"], logit_scale=recipe.logit_scale, seed=params.seed)
    size = sum(p.numel() for p in model.visual.parameters()) / 1e6
    print(f"{backbone}: image tower of {size:.1f}M parameters, {len(images):,} pairs", flush=True)
    with Progress(backbone, recipe.steps, units="steps") as progress:

        def report(step: int, loss: float) -> None:
            if progress.bar:
                progress.note = f"loss {loss:.3f}"
                progress.advance(1)
            elif step % params.log_every == 0 or step == recipe.steps:
                print(f"{backbone}: step {step} of {recipe.steps}, loss {loss:.3f}", flush=True)

        train(model, images, captions, params=recipe, seed=params.seed, report=report)
    check = params.check
    reached = accuracies(
        model,
        distortion=params.pairs.distortion,
        seed=check.seed,
        train_per_class=check.train_per_class,
        test_per_class=check.test_per_class,
    )
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    data = save(tensors)
    record = {
        "backbone": backbone,
        "loader": "open_clip",
        "entry": entry,
        "file": "model.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "steps": recipe.steps,
        **{name: round(value, 6) for name, value in reached.items()},
    }
    config = {"model_cfg": entry["model_cfg"], "preprocess_cfg": PREPROCESS}
    _write_folder(weights, data, {"open_clip_config.json": config, "weights.json": record})
    return record


def _write_folder(weights: Path, data: bytes, documents: dict[str, Any]) -> None:
    """Write the folder whole, by a rename."""
    with folder_written_whole(weights) as partial:
        (partial / "model.safetensors").write_bytes(data)
        for name, document in documents.items():
            text = json.dumps(document, indent=2, sort_keys=True) + "\n"
            (partial / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Parse the paths, read the parameters, run, say what was reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()

    entry = read_section(f"models.{args.backbone}")
    record = run(args.backbone, entry, load_params("pretrain", PretrainParams), args.weights)
    print(
        f"{args.backbone}: {record['steps']} steps, accuracy on test capitals: "
        f"zero-shot {record['zero_shot']:.3f}, 20-NN {record['knn_20']:.3f}"
    )


if __name__ == "__main__":
    run_stage(main)
