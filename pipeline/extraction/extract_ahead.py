"""Small data sets are encoded while the model is loaded, and wait in the side cache.

Importing torch and open_clip takes longer than encoding a thousand small images. So the stage that
had to load a model also encodes the other small data sets that are indexed and not yet extracted;
their own stages then find every row under the same content key and need no model. Nothing but the
side cache is written, so DVC's picture of what depends on what stays true.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.datasets.index import read_index
from pipeline.extraction.extract_store import Extraction, unfinished_store
from pipeline.extraction.leftovers import stored_key
from pipeline.extraction.locks import CacheError
from pipeline.extraction.loop import Encoder
from pipeline.sources import load_spec, open_source


def small_datasets(index: Path, *, largest: int) -> Iterator[str]:
    """Yield the other data sets indexed beside `index` with at most `largest` images."""
    for path in sorted(index.parent.glob("*.parquet")):
        if path != index and 0 < len(read_index(path)) <= largest:
            yield path.stem


def extract_ahead(
    extraction: Extraction, *, index: Path, store: Path, encoder: Encoder
) -> list[str]:
    """Encode what waits with the encoder at hand; return the names.

    Args:
        extraction: What is being extracted.
        index: File of its index; the others lie beside it.
        store: Where its store goes.
        encoder: The loaded model.
    """
    finished = []
    for dataset in small_datasets(index, largest=extraction.params.ahead):
        try:
            other = replace(
                extraction,
                dataset=dataset,
                index=read_index(index.with_name(f"{dataset}.parquet")),
                source=open_source(load_spec(dataset)),
                params=replace(extraction.params, lock_timeout=0.0),
            )
            with unfinished_store(other, load=lambda _: encoder) as work:
                if stored_key(store.with_name(f"{dataset}.zarr")) == work.key:
                    if not extraction.params.keep:
                        work.cache.clear()
                    continue
                work.fill()
        except (CacheError, ValueError, KeyError, OSError):
            continue  # its own stage will meet the same and say so
        finished.append(dataset)
    return finished
