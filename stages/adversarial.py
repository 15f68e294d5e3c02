"""Judge one crafted set on one backbone: every score, before and after, on the same images.

    python -m stages.adversarial BACKBONE DATASET PARAMS METHODS
                                 ID_SCORES CLEAN_SCORES CRAFTED_SCORES CRAFTED_INDEX
                                 BANK_STORE ID_STORE CLEAN_STORE CRAFTED_STORE STEPS
                                 EVALUATION OUT

Reads   PARAMS, METHODS                           section evaluate and the table of methods, written
                                                  by check_params
        ID_SCORES, CLEAN_SCORES, CRAFTED_SCORES   score tables of the ID test set, of the OOD set
                                                  the images came from, and of the crafted images
        CRAFTED_INDEX                             which source and target each image has
        BANK_STORE, ID_STORE, CLEAN_STORE, CRAFTED_STORE   the backbone's features of each
        STEPS                                     the surrogate's features on the way
Writes  EVALUATION   the evaluation record of the crafted set, as of any other OOD set
        OUT   by method AUROC and FPR95 clean and crafted, the change with a paired interval; k-NN
              again without the target images in the bank; on the surrogate itself the curve of
              1-NN AUROC against steps and perturbation size
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from pipeline.attacks.judging import Resampling, compare, curve, image_summary, knn_without
from pipeline.datasets.index import read_index
from pipeline.json_text import write_json
from pipeline.params import load_params
from pipeline.scores.knn import neighbour_counts
from pipeline.stage import run_stage
from pipeline.statistics.evaluation_files import evaluate_files
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.storage.store import read_features
from pipeline.table_origins import check_origins
from pipeline.tables import read_scores

FILES = (
    "id_scores",
    "clean_scores",
    "crafted_scores",
    "crafted_index",
    "bank_store",
    "id_store",
    "clean_store",
    "crafted_store",
    "steps",
)


def run(
    paths: dict[str, Path], params: EvaluateParams, *, backbone: str, dataset: str, ks: list[int]
) -> dict[str, Any]:
    """Judge one crafted set on one backbone; see the module docstring."""
    index = read_index(paths["crafted_index"])
    sources = index["source_row"].to_numpy()
    id_scores, reasons = read_scores(paths["id_scores"])
    clean_scores, _ = read_scores(paths["clean_scores"])
    crafted_scores, _ = read_scores(paths["crafted_scores"])
    resampling = Resampling(
        id_name=paths["id_scores"].stem,
        ood_name=paths["clean_scores"].stem,
        resamples=params.resamples,
        seed=params.seed,
        tpr=params.tpr,
        level=params.level,
    )
    first = index.row(0, named=True)
    record: dict[str, Any] = {
        "backbone": backbone,
        "dataset": dataset,
        "ood": paths["clean_scores"].stem,
        "surrogate": first["surrogate"],
        "attack": first["attack"],
        "smoothness": first["smoothness"],
        "steps": first["steps"],
        "pairs": len(index),
        "images": image_summary(index),
        "methods": compare(
            id_scores,
            {method: scores[sources] for method, scores in clean_scores.items()},
            crafted_scores,
            resampling,
        ),
        "not_applicable": reasons,
    }
    bank = read_features(paths["bank_store"]).features
    if index["target_row"].null_count() == 0:
        queries = {
            "id": read_features(paths["id_store"]).features,
            "clean": read_features(paths["clean_store"]).features[sources],
            "crafted": read_features(paths["crafted_store"]).features,
        }
        targets = np.unique(index["target_row"].to_numpy())
        scores = knn_without(queries, bank, left_out=targets, ks=ks)
        record["without_targets"] = compare(
            scores["id"], scores["clean"], scores["crafted"], resampling
        )
    if backbone == first["surrogate"] and "knn_1" in id_scores:
        record["curve"] = curve(load_file(paths["steps"]), id_scores["knn_1"], bank)
    return record


def main() -> None:
    """Parse the paths, read the parameters, run, write, and say how far 1-NN fell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    parser.add_argument("dataset")
    for path in ("params", "methods", *FILES, "evaluation", "out"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    params = load_params("evaluate", EvaluateParams, path=args.params)
    names = {"backbone": args.backbone, "dataset": args.dataset}
    clean, crafted = args.clean_scores, args.crafted_scores
    of = {args.id_scores: args.id_scores.stem, clean: clean.stem, crafted: args.dataset}
    check_origins(of, backbone=args.backbone)
    tables = args.id_scores, args.crafted_scores, args.crafted_index
    write_json(args.evaluation, evaluate_files(*tables, params, **names))
    methods = json.loads(args.methods.read_text(encoding="utf-8"))
    ks = sorted({1, *neighbour_counts(methods)})
    record = run({name: getattr(args, name) for name in FILES}, params, **names, ks=ks)
    write_json(args.out, record)
    if values := record["methods"].get("knn_1"):
        fall = values["auroc"]
        print(
            f"{args.dataset} on {args.backbone}: 1-NN AUROC {100 * fall['clean']:.1f} clean, "
            f"{100 * fall['crafted']:.1f} crafted"
        )


if __name__ == "__main__":
    run_stage(main)
