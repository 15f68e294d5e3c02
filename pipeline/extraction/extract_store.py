"""One feature store from its inputs: key, side cache, loop, assembly into place."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.backbones.input_side import input_side
from pipeline.backbones.weights import read_record
from pipeline.cache_folder import cache_root
from pipeline.datasets.images import ImageParams
from pipeline.extraction.cache import SideCache, missing_batches
from pipeline.extraction.content_key import (
    EXTRACTION_VERSION,
    content_key,
    index_digest,
    library_versions,
    model_identity,
)
from pipeline.extraction.cpu_kind import cpu_kind
from pipeline.extraction.extract_job import Job, run_everywhere
from pipeline.extraction.extract_params import (
    ExtractParams,
    batch_grid,
    expected_device,
    key_parts,
    precision_on,
)
from pipeline.extraction.locks import claim, one_writer
from pipeline.extraction.loop import Encoder
from pipeline.extraction.provenance import provenance
from pipeline.progress import Progress
from pipeline.sources.listing import ImageBytes
from pipeline.storage.write_store import write_store


@dataclass(frozen=True)
class Extraction:
    """What one store is made of.

    Attributes:
        backbone: Name in the backbone table.
        dataset: Name of the data set.
        index: Its rows.
        weights: Folder with weights.json.
        entry: The backbone's entry.
        source: Where the images lie.
        params: Section ``extract``.
        images: Section ``images``.
    """

    backbone: str
    dataset: str
    index: pl.DataFrame
    weights: Path
    entry: dict[str, Any]
    source: ImageBytes
    params: ExtractParams
    images: ImageParams


def extract_store(
    extraction: Extraction,
    store: Path,
    *,
    root: Path | None = None,
    load: Callable[[str], Encoder] | None = None,
    hand_over: bool = False,
) -> dict[str, Any]:
    """Write the store of one backbone and one data set; return its provenance.

    Args:
        extraction: What it is made of.
        store: Where the store goes.
        root: Folder of unfinished work; None for the usual one.
        load: Device to encoder; None for the backbone itself.
        hand_over: Somebody else has yet to take the store over (DVC): leave its rows in the side
            cache until `leftovers.clear_published` finds it standing.
    """
    root = root or cache_root()
    params = extraction.params
    with (
        unfinished_store(extraction, root=root, load=load) as work,
        claim(root / "claims", store) as owner,  # not while waiting: who gives up took nothing over
    ):
        facts = work.fill()
        owner.check()
        write_store(
            store,
            work.cache.read(work.cache.recover(), width=facts["width"]),
            extraction.index["label"].to_numpy(),
            {
                "backbone": extraction.backbone,
                "dataset": extraction.dataset,
                "key": work.key,
                "norm": "raw",
                "space": facts["space"],
            },
            dtype=params.dtype,
            shard_rows=params.shard_rows,
            codec=params.codec,
            before_publishing=owner.check,
        )
        if hand_over and not params.keep:
            work.cache.mark_published(store)
        elif not params.keep:
            work.cache.clear()
    return provenance(
        key=work.key, key_parts=work.parts, record=work.record, decode=params.decode, **facts
    )


@dataclass(frozen=True)
class UnfinishedStore:
    """A store's identity, and the work of filling its side cache; this process holds the lock."""

    name: str
    key: str
    parts: dict[str, Any]
    record: dict[str, Any]
    job: Job
    cache: SideCache

    def fill(self) -> dict[str, Any]:
        """Encode what the side cache lacks; return what the model said about its rows."""
        rows, cache = len(self.job.paths), self.cache
        segments = cache.recover()
        facts = cache.recall()
        batches = batch_grid(rows, self.parts["batch_size"])
        missing = missing_batches(batches, segments) if facts else batches
        done = rows - sum(stop - start for start, stop in missing)
        if done:
            print(
                f"{self.name}: {done:,} of {rows:,} images are in the cache already",
                file=sys.stderr,
            )
        if missing:
            progress = Progress(self.name, rows, done=done)
            try:
                run_everywhere(self.job, self._devices(), missing, advance=progress.advance)
            except BaseException:
                progress.close()
                raise
            progress.close(f"{self.name}: {rows:,} images, {progress.rate():,.0f}/s")
            facts = cache.recall()
        assert facts is not None
        return facts

    def _devices(self) -> list[str]:
        if self.parts["device"] == "cpu":
            return ["cpu"]
        from pipeline.devices import device_names

        return device_names(self.parts["device"])


@contextmanager
def unfinished_store(
    extraction: Extraction,
    *,
    root: Path | None = None,
    load: Callable[[str], Encoder] | None = None,
) -> Iterator[UnfinishedStore]:
    """Open the side cache of one backbone and one data set as its only writer.

    Raises:
        ValueError: If the index has no image.
        CacheError: If another run holds the same key for longer than extract.lock_timeout.
    """
    index, params = extraction.index, extraction.params
    if len(index) == 0:
        raise ValueError(
            f"the index of '{extraction.dataset}' has no image; there is nothing to extract"
        )
    root = root or cache_root()
    load = load or functools.partial(
        load_encoder, extraction.backbone, extraction.entry, extraction.weights, params
    )
    record = read_record(extraction.weights)
    parts = identity(index, extraction.entry, record, params, extraction.images)
    key = content_key(parts)
    name = f"{extraction.dataset} by {extraction.backbone}"
    with one_writer(root / "locks" / f"{key}.lock", what=name, timeout=params.lock_timeout):
        cache = SideCache.open(root, key, dtype=params.dtype)
        paths, hashes = index["path"].to_list(), index["sha256"].to_list()
        job = Job(load, extraction.source, paths, hashes, extraction.images, params, cache)
        yield UnfinishedStore(name, key, parts, record, job, cache)


def identity(
    index: pl.DataFrame,
    entry: dict[str, Any],
    record: dict[str, Any],
    params: ExtractParams,
    images: ImageParams,
) -> dict[str, Any]:
    """Return everything that determines the store's bytes."""
    device = expected_device(params.device)
    if device != "cpu":
        from pipeline.extraction.encoder import gpu_names, resolve_device

        device = resolve_device(params.device)
    return {
        "code": EXTRACTION_VERSION,
        # what the last bits depend on besides the code
        **({"cpu": cpu_kind()} if device == "cpu" else {"gpus": gpu_names()}),
        "weights": record["sha256"],
        "config": record.get("config_sha256"),
        "model": model_identity(entry),
        "libraries": library_versions(),
        "index": index_digest(index),
        "images": {"exif": images.exif},  # max_pixels refuses images and changes none
        **key_parts(params, device, side=input_side(entry)),
    }


def load_encoder(
    backbone: str, entry: dict[str, Any], weights: Path, params: ExtractParams, device: str
) -> Encoder:
    """Load a backbone onto a device, ready to encode."""
    from pipeline.backbones.loading import load_backbone
    from pipeline.extraction.encoder import TorchEncoder

    kind = device.partition(":")[0]
    loaded = load_backbone(backbone, entry, weights, device)
    return TorchEncoder(
        loaded,
        precision=precision_on(params, kind),
        compiled=params.compile,
        decode_on_device=params.decode == "device",
    )
