"""Small data sets are encoded while the model is loaded, and wait in the side cache.

Importing torch and open_clip takes longer than encoding a thousand small images. So the stage that
had to load a model also encodes the other small data sets that are indexed and not yet extracted;
their own stages then find every row under the same content key and need no model. Nothing but the
side cache is written, so DVC's picture of what depends on what stays true.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index
from pipeline.extraction.extract_params import ExtractParams
from pipeline.extraction.extract_store import unfinished_store
from pipeline.extraction.locks import CacheError
from pipeline.extraction.loop import Encoder
from pipeline.sources import load_spec, open_source


def small_datasets(index: Path, *, largest: int) -> Iterator[str]:
    """Yield the other data sets indexed beside `index` with at most `largest` images."""
    for path in sorted(index.parent.glob("*.parquet")):
        if path != index and 0 < len(read_index(path)) <= largest:
            yield path.stem


def stored_key(store: Path) -> str | None:
    """Return the content key that a store on disk claims; None where there is no store."""
    try:
        return json.loads((store / "zarr.json").read_text(encoding="utf-8"))["attributes"]["key"]
    except (OSError, ValueError, KeyError):
        return None


def extract_ahead(
    backbone: str,
    *,
    index: Path,
    weights: Path,
    store: Path,
    entry: dict[str, Any],
    encoder: Encoder,
    params: ExtractParams,
    images: ImageParams,
) -> list[str]:
    """Encode what waits with the encoder at hand; return the names.

    Args:
        backbone: Name in the backbone table.
        index: Index of the data set that is being extracted.
        weights: Folder with weights.json.
        store: Its store.
        entry: The backbone's entry.
        encoder: The loaded model.
        params: Section ``extract``.
        images: Section ``images``.
    """
    finished = []
    for dataset in small_datasets(index, largest=params.ahead):
        try:
            with unfinished_store(
                backbone,
                dataset,
                index=read_index(index.with_name(f"{dataset}.parquet")),
                weights=weights,
                entry=entry,
                source=open_source(load_spec(dataset)),
                params=replace(params, lock_timeout=0.0),
                images=images,
                load=lambda _: encoder,
            ) as work:
                if stored_key(store.with_name(f"{dataset}.zarr")) == work.key:
                    work.job.cache.clear()
                    continue
                work.fill()
        except (CacheError, ValueError, KeyError, OSError):
            continue  # its own stage will meet the same and say so
        finished.append(dataset)
    return finished
