"""Encode the images of one data set by one backbone into a feature store.

    python -m stages.extract BACKBONE DATASET INDEX WEIGHTS STORE PROVENANCE

Reads   INDEX       the images in their order; where they lie is datasets.DATASET
        WEIGHTS     folder with weights.json (and the weights trained here)
Writes  STORE       features [n d] before the projection, labels [n]; see pipeline/store.py
        PROVENANCE  what it was computed from and with: JSON, not part of the store's identity

Finished rows go to a side cache outside STORE while the stage runs; killed at any moment, the
next run continues there and writes the same bytes.
"""

import argparse
import errno
import functools
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.cache import SideCache, cache_root, missing_batches
from pipeline.changed_files import changed_files
from pipeline.content_key import (
    EXTRACTION_VERSION,
    content_key,
    index_digest,
    library_versions,
    model_identity,
)
from pipeline.decoding import ChangedFileError
from pipeline.extract_job import Job, run_everywhere
from pipeline.extract_params import ExtractParams, batch_grid, expected_device, key_parts
from pipeline.images import ImageError, ImageParams
from pipeline.index import read_index
from pipeline.locks import CacheError, claim, one_writer
from pipeline.model_spec import model_spec
from pipeline.params import load_params, read_section
from pipeline.progress import Progress
from pipeline.provenance import provenance, write_provenance
from pipeline.sources import Source, load_spec, open_source
from pipeline.store import write_store
from pipeline.weights import read_record


def run(
    backbone: str,
    dataset: str,
    *,
    index: pl.DataFrame,
    weights: Path,
    store: Path,
    entry: dict[str, Any],
    source: Source,
    params: ExtractParams,
    images: ImageParams,
    root: Path | None = None,
    load: Callable[[str], Any] | None = None,
) -> dict[str, Any]:
    """Write the store of one backbone and one data set; return its provenance.

    Args:
        backbone: Name in the backbone table.
        dataset: Name of the data set.
        index: Its rows.
        weights: Folder with weights.json.
        store: Where the store goes.
        entry: The backbone's entry.
        source: Where the images lie.
        params: Section ``extract``.
        images: Section ``images``.
        root: Folder of unfinished work; None for the usual one.
        load: Device to backbone; None for `load_backbone`.
    """
    if len(index) == 0:
        raise ValueError(f"the index of '{dataset}' has no image; there is nothing to extract")
    record = read_record(weights)
    device = expected_device(params.device)

    def parts_on(device: str) -> dict[str, Any]:
        return {
            "code": EXTRACTION_VERSION,
            "weights": record["sha256"],
            "model": model_identity(entry),
            "libraries": library_versions(),
            "index": index_digest(index),
            "images": {"max_pixels": images.max_pixels, "exif": images.exif},
            **key_parts(params, device),
        }

    if load is None:
        load = functools.partial(_load, backbone, entry, weights)
    root = root or cache_root()
    name = f"{dataset} by {backbone}"
    parts = parts_on(device)
    with claim(root / "claims", store) as owner:
        if device != "cpu":
            from pipeline.encoder import resolve_device

            parts = parts_on(resolve_device(params.device))
        key = content_key(parts)
        lock = root / "locks" / f"{key}.lock"
        with one_writer(lock, what=name, timeout=params.lock_timeout):
            cache = SideCache.open(root, key, dtype=params.dtype)
            facts = fill(
                cache,
                index,
                Job(
                    load,
                    source,
                    index["path"].to_list(),
                    index["sha256"].to_list(),
                    images,
                    params,
                    cache,
                ),
                name=name,
                device=parts["device"],
            )
            owner.check()
            attributes = {
                "backbone": backbone,
                "dataset": dataset,
                "key": key,
                "norm": "raw",
                "space": facts["space"],
            }
            write_store(
                store,
                cache.read(cache.recover(), width=facts["width"]),
                index["label"].to_numpy(),
                attributes,
                dtype=params.dtype,
                shard_rows=params.shard_rows,
                codec=params.codec,
                before_publishing=owner.check,
            )
            if not params.keep:
                cache.clear()
    return provenance(key=key, key_parts=parts, record=record, **facts)


def fill(
    cache: SideCache, index: pl.DataFrame, job: Job, *, name: str, device: str
) -> dict[str, Any]:
    """Encode what the side cache lacks; return what the model said about its rows."""
    rows = len(index)
    segments = cache.recover()
    facts = cache.recall()
    batches = batch_grid(rows, job.params.batch_size)
    missing = missing_batches(batches, segments) if facts else batches
    done = rows - sum(stop - start for start, stop in missing)
    if done:
        print(f"{name}: {done:,} of {rows:,} images are in the cache already", file=sys.stderr)
    if missing:
        from pipeline.encoder import device_names

        progress = Progress(name, rows, done=done)
        try:
            run_everywhere(job, device_names(device), missing, advance=progress.advance)
        except BaseException:
            progress.close()
            raise
        progress.close(f"{name}: {rows:,} images, {progress.rate():,.0f}/s")
        facts = cache.recall()
    assert facts is not None
    return facts


def _load(backbone: str, entry: dict[str, Any], weights: Path, device: str) -> Any:
    from pipeline.backbones import load_backbone

    return load_backbone(backbone, entry, weights, device)


def explain(error: BaseException, job_name: str, index: pl.DataFrame, source: Source) -> str:
    """Return what a user should read instead of a traceback."""
    kept = "what is finished is kept; run the same command again to continue"
    if isinstance(error, ChangedFileError):
        paths = changed_files(source, index["path"].to_list(), index["sha256"].to_list())
        listed = ", ".join(paths or [str(error)])
        return (
            f"files of the index changed since it was made: {listed}. "
            f"Index the data set again: dvc repro -f index@{job_name}"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{where}: free some space; {kept}"
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted; {kept}"
    if isinstance(error, SystemExit):
        return f"terminated; {kept}"
    return str(error)


def main() -> None:
    """Parse the paths, read the parameters, extract, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("backbone", "dataset"):
        parser.add_argument(name)
    for path in ("index", "weights", "store", "provenance"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    entry = read_section(f"models.{args.backbone}")
    model_spec(args.backbone, entry)
    index = read_index(args.index)
    source = open_source(load_spec(args.dataset))
    try:
        facts = run(
            args.backbone,
            args.dataset,
            index=index,
            weights=args.weights,
            store=args.store,
            entry=entry,
            source=source,
            params=load_params("extract", ExtractParams),
            images=load_params("images", ImageParams),
        )
        write_provenance(args.provenance, facts)
    except (CacheError, ImageError, ValueError, OSError, KeyboardInterrupt, SystemExit) as error:
        print(f"error: {explain(error, args.dataset, index, source)}", file=sys.stderr)
        code = {KeyboardInterrupt: 130, SystemExit: 143}.get(type(error), 1)
        raise SystemExit(code) from None


if __name__ == "__main__":
    main()
