"""Encode the images of one data set by one backbone into a feature store.

    python -m stages.extract BACKBONE DATASET PARAMS INDEX WEIGHTS STORE PROVENANCE

Reads   PARAMS      sections extract and images, written by check_params
        INDEX       the images in their order; where they lie now is datasets.DATASET and
                    data_root, which are no dependencies: moved images are the same images
        WEIGHTS     folder with weights.json (and the weights trained here)
Writes  STORE       features [n d] before the projection, labels [n]; see pipeline/storage/store.py
        PROVENANCE  what it was computed from and with: JSON, not part of the store's identity

Finished rows go to a side cache outside STORE while the stage runs; killed at any moment, the
next run continues there and writes the same bytes.
"""

import argparse
import functools
import os
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.backbones.model_spec import model_spec
from pipeline.backbones.weights import read_entry
from pipeline.cache_folder import cache_root
from pipeline.datasets.changed_files import changed_files
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index
from pipeline.extraction.decoding import ChangedFileError
from pipeline.extraction.extract_ahead import extract_ahead
from pipeline.extraction.extract_params import ExtractParams, expected_device
from pipeline.extraction.extract_store import Extraction, extract_store, load_encoder
from pipeline.extraction.import_store import import_store
from pipeline.extraction.leftovers import clear_published
from pipeline.extraction.loop import Encoder
from pipeline.extraction.provenance import write_provenance
from pipeline.params import load_params
from pipeline.sources import load_spec, open_source
from pipeline.sources.listing import ImageBytes
from pipeline.stage import run_stage

KEPT = "finished images are kept, run the same command again to continue"


def explain_changes(dataset: str, index: pl.DataFrame, source: ImageBytes, first: str) -> str:
    """Name the files that are not what they were when the index was made."""
    paths, hashes = index["path"].to_list(), index["sha256"].to_list()
    changed = changed_files(source, paths, hashes, first=first)
    return (
        f"{'' if changed.all else 'at least '}{len(changed.paths)} files of '{dataset}' changed or "
        f"are gone since its index was made: {', '.join(changed.paths)}. "
        f"Index it again: dvc repro (for a set of fixed_sets, dvc repro -f index@{dataset})"
    )


def main() -> None:
    """Parse the paths, read the parameters, extract, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("backbone", "dataset"):
        parser.add_argument(name)
    for path in ("params", "index", "weights", "store", "provenance"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()
    # Before torch is imported: its idle threads give the cores to decoding instead of spinning.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    entry = read_entry(args.weights)
    model_spec(args.backbone, entry)
    if entry["loader"] == "features":
        _import(args, entry)  # which has no images to keep, and no batches
        return
    extract = functools.partial(_extract, args, entry)
    run_stage(extract, kept=KEPT, memory="set a smaller extract.batch_size")


def _import(args: argparse.Namespace, entry: dict[str, Any]) -> None:
    facts = import_store(
        args.backbone,
        args.dataset,
        index=read_index(args.index),
        store=args.store,
        entry=entry,
        params=load_params("extract", ExtractParams, path=args.params),
    )
    write_provenance(args.provenance, facts)


def _extract(args: argparse.Namespace, entry: dict[str, Any]) -> None:
    index = read_index(args.index)
    params = load_params("extract", ExtractParams, path=args.params)
    backbone, dataset = args.backbone, args.dataset
    clear_published(cache_root())  # DVC has taken over what earlier stages finished
    source = open_source(load_spec(dataset))
    images = load_params("images", ImageParams, path=args.params)
    extraction = Extraction(
        backbone, dataset, index, args.weights, entry, source, params=params, images=images
    )
    loaded: dict[str, Encoder] = {}

    def load(device: str) -> Encoder:
        return loaded.setdefault(
            device, load_encoder(backbone, entry, args.weights, params, device)
        )

    one_process = expected_device(params.device) == "cpu"
    try:
        facts = extract_store(
            extraction, args.store, load=load if one_process else None, hand_over=True
        )
    except ChangedFileError as error:
        raise ValueError(explain_changes(dataset, index, source, str(error))) from None
    write_provenance(args.provenance, facts)
    for encoder in loaded.values():
        extract_ahead(extraction, index=args.index, store=args.store, encoder=encoder)


if __name__ == "__main__":
    run_stage(main)
