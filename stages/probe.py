"""Train the linear heads: PLP on pseudo-labels, LP on labels, few-shot LP if asked for.

    python -m stages.probe BANK PSEUDO_LABELS TEXT HEADS [WEIGHTS]

Reads   BANK           Zarr store of ID training features
        PSEUDO_LABELS  row, pseudo_label, confidence of the kept rows
        TEXT           class names; class embeddings and projection for soft pseudo-labels
        WEIGHTS        weights folder of the backbone: a fine-tuned one brings its head `ft` along
Writes  HEADS          folder: plp.safetensors, lp.safetensors, few_shot.safetensors,
                       ft.safetensors, heads.json; heads that do not apply stand there with why
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.backbones.weights import read_entry
from pipeline.devices import resolve
from pipeline.files import file_hash
from pipeline.folders import folder_written_whole
from pipeline.head_names import head_name
from pipeline.params import load_params
from pipeline.stage import run_stage
from pipeline.storage.store import read_arrays, read_attributes, read_labels
from pipeline.training.bank_rows import HeadTraining, held_before, training_rows
from pipeline.training.classifier_head import NoClassifierError, classifier_head
from pipeline.training.head_files import write_heads
from pipeline.training.head_targets import choose_targets
from pipeline.training.heads import Probe
from pipeline.training.loss_meter import LossMeter
from pipeline.training.probe import fit_probe, training_accuracy
from pipeline.training.probe_recipe import ProbeParams, ProbeRecipe
from pipeline.training.probe_targets import Targets
from pipeline.training.pseudo_label_quality import chance_warning
from pipeline.training.text_side import check_text_side


def run(
    bank: Path, pseudo_labels: Path, text: Path, params: ProbeParams
) -> tuple[dict[str, Probe], dict[str, Any]]:
    """Return the heads by name and what is said about them; see the module docstring."""
    about = read_attributes(bank)
    arrays, about_text = read_arrays(text)
    check_text_side(about, about_text, arrays)
    labels = read_labels(bank)
    targets, absent = choose_targets(labels, pseudo_labels, about, arrays, about_text, params)
    device = resolve(params.device, parameter="probe.device")
    probes: dict[str, Probe] = {}
    told: dict[str, Any] = {name: {"applicable": False, "reason": r} for name, r in absent.items()}
    names = about_text["class_names"]
    training = HeadTraining(bank, about, params, len(names), device)
    held = held_before(training, targets)
    for head, wanted in targets.items():
        own, trained = train_head(head, training, wanted, held=held[head])
        probes |= own
        told[head] = describe(wanted, trained, names)
    plp = targets.get("plp")
    if plp and (warning := chance_warning(plp.values, labels, names)):
        told["plp"]["warning"] = warning
    recipe = {f.name: getattr(params, f.name) for f in dataclasses.fields(ProbeRecipe)}
    summary = {
        "backbone": about["backbone"],
        "recipe": recipe,
        "shots": params.shots,
        "classes": len(names),
        "fitted_on": {
            "bank": {k: about.get(k) for k in ("dataset", "key", "norm", "rows", "space", "width")},
            "prompts": about_text["prompts"],
            "names": about_text["names"],
            "pseudo_labels": file_hash(pseudo_labels),
        },
        "heads": told,
    }
    return probes, summary


def train_head(
    head: str, training: HeadTraining, targets: Targets, *, held: int
) -> tuple[dict[str, Probe], list[dict[str, Any]]]:
    """Return one head for each seed, and how its training ended; the rows are let go."""
    params, name = training.params, training.about["backbone"]
    probes: dict[str, Probe] = {}
    trained = []
    for drawn, seeds in targets.by_seed(params.seeds):
        with training_rows(training, drawn, held=held) as rows:
            for seed in seeds:
                with LossMeter(f"{name} {head} seed {seed}") as meter:
                    probe, losses = fit_probe(
                        rows, classes=training.classes, recipe=params, seed=seed, progress=meter
                    )
                accuracy = training_accuracy(probe, rows, batch_size=params.batch_size)
                trained.append({"seed": seed, "loss": losses[-1], "accuracy": accuracy})
                probes[head_name(head, seed, params.seeds)] = probe
    return probes, trained


def add_classifier(probes: dict[str, Probe], summary: dict[str, Any], weights: Path) -> None:
    """Add the head `ft` that a fine-tuned backbone brings along, or why there is none."""
    backbone = summary["backbone"]
    classes = summary["classes"]
    try:
        probes["ft"] = classifier_head(backbone, read_entry(weights), weights, classes=classes)
    except NoClassifierError as reason:
        summary["heads"]["ft"] = {"applicable": False, "reason": str(reason)}
    else:
        summary["heads"]["ft"] = {"applicable": True, "classes": classes, "dead_classes": []}


def describe(targets: Targets, fits: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Return what `heads.json` says about one head."""
    rounded = [{key: round(value, 6) for key, value in fit.items()} for fit in fits]
    spread = {
        key: {
            "mean": round(float(np.mean([fit[key] for fit in fits])), 6),
            "std": round(float(np.std([fit[key] for fit in fits], ddof=1)), 6),
        }
        for key in ("loss", "accuracy")
        if len(fits) > 1
    }
    return {
        "applicable": True,
        "rows": len(targets.rows),
        "classes": len(names),
        "dead_classes": [{"label": label, "class": names[label]} for label in targets.dead],
        "seeds": rounded,
        "spread": spread,
    }


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("bank", "pseudo_labels", "text", "heads"):
        parser.add_argument(path, type=Path)
    parser.add_argument("weights", type=Path, nargs="?")
    args = parser.parse_args()

    params = load_params("probe", ProbeParams)
    probes, summary = run(args.bank, args.pseudo_labels, args.text, params)
    if args.weights is not None:
        add_classifier(probes, summary, args.weights)
    with folder_written_whole(args.heads) as unfinished:
        write_heads(unfinished, probes, summary)
    for name, head in summary["heads"].items():
        if not head["applicable"]:
            print(f"{summary['backbone']} {name}: not applicable: {head['reason']}")
            continue
        if "seeds" not in head:
            print(f"{summary['backbone']} {name}: the classifier of the fine-tuned model")
            continue
        fit = head["seeds"][0]
        print(
            f"{summary['backbone']} {name}: {head['rows']} rows, loss {fit['loss']:.4f}, "
            f"{fit['accuracy']:.1%} of them right, {len(head['dead_classes'])} dead classes"
        )
        for warning in filter(None, (params.warning(head["rows"]), head.get("warning"))):
            print(f"{summary['backbone']} {name}: warning: {warning}")


if __name__ == "__main__":
    run_stage(main)
