"""A store of features that were computed elsewhere."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.cache_folder import cache_root
from pipeline.extraction.content_key import content_key, index_digest
from pipeline.extraction.extract_params import ExtractParams
from pipeline.extraction.imports import import_features
from pipeline.extraction.locks import claim
from pipeline.extraction.provenance import provenance
from pipeline.storage.write_store import write_store


def import_store(
    backbone: str,
    dataset: str,
    *,
    index: pl.DataFrame,
    store: Path,
    entry: dict[str, Any],
    params: ExtractParams,
) -> dict[str, Any]:
    """Write the store of features that were computed elsewhere; return its provenance."""
    imported = import_features(backbone, entry, dataset, index)
    digest = hashlib.sha256()
    for block in imported.features:
        digest.update(np.ascontiguousarray(block).data)
    stated = {"norm": imported.norm, "space": imported.space}
    parts = {
        "rows": digest.hexdigest(),
        "index": index_digest(index),
        "dtype": params.dtype,
        "shard_rows": params.shard_rows,
        "codec": params.codec,
        **stated,
    }
    key = content_key(parts)
    with claim(cache_root() / "claims", store) as owner:
        write_store(
            store,
            imported.features,
            imported.labels,
            {"backbone": backbone, "dataset": dataset, "key": key, **stated},
            dtype=params.dtype,
            shard_rows=params.shard_rows,
            codec=params.codec,
            before_publishing=owner.check,
        )
    file = str(entry["files"][dataset])
    return provenance(key=key, key_parts=parts, imported_from=file, **stated)
