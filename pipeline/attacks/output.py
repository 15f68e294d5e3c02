"""The finished set on disk: image files, their index, and the features on the way."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save

from pipeline.attacks.cache import AttackCache, CraftedImage
from pipeline.attacks.spec import CraftSpec
from pipeline.files import write_bytes
from pipeline.folders import folder_written_whole

COLUMNS = pl.Schema(
    {
        "source_row": pl.Int64,
        "target_row": pl.Int64,
        "target_class": pl.String,
        "surrogate": pl.String,
        "attack": pl.String,
        "smoothness": pl.Float64,
        "steps": pl.Int64,
        "restart": pl.Int64,
        "objective_float": pl.Float64,
        "objective": pl.Float64,
        "cosine_float": pl.Float64,
        "cosine": pl.Float64,
        "psnr": pl.Float64,
        "ssim": pl.Float64,
        "l2": pl.Float64,
        "linf": pl.Float64,
    }
)


def assemble(
    spec: CraftSpec, cache: AttackCache, sources: pl.DataFrame, *, images: Path, steps: Path
) -> pl.DataFrame:
    """Write the image files and the steps file whole, and return the index to be written last.

    Args:
        spec: What was crafted.
        cache: Every finished image.
        sources: Index rows of the source images, in order of the pairs.
        images: Folder of the PNG files; what is there is replaced.
        steps: Where the features on the way go.
    """
    rows, on_the_way, sizes = [], [], []
    with folder_written_whole(images) as partial:
        for pair, source in enumerate(sources.iter_rows(named=True)):
            image = cache.read(pair)
            name = f"{pair:04d}.png"
            (partial / name).write_bytes(image.png)
            rows.append(_index_row(pair, name, source, image))
            on_the_way.append(image.snapshots)
            sizes.append(image.sizes)
        _write_steps(steps, spec, np.stack(on_the_way, axis=1), np.stack(sizes, axis=1))
    return pl.DataFrame(rows, schema_overrides=COLUMNS, infer_schema_length=None)


def _index_row(pair: int, name: str, source: dict, image: CraftedImage) -> dict:
    row = {
        "row": pair,
        "path": name,
        "label": source["label"],
        "class_name": source["class_name"],
        "sha256": hashlib.sha256(image.png).hexdigest(),
        "error": None,
        "source_row": source["row"],
    }
    return row | image.record


def _write_steps(path: Path, spec: CraftSpec, features: np.ndarray, sizes: np.ndarray) -> None:
    """Features [s n d] and objective, L2 and L∞ [s n] after each of `steps`; the last in 8 bits."""
    arrays = {
        "steps": np.array(spec.snapshots, dtype=np.int64),
        "features": np.ascontiguousarray(features),
        "objective": np.ascontiguousarray(sizes[..., 0]),
        "l2": np.ascontiguousarray(sizes[..., 1]),
        "linf": np.ascontiguousarray(sizes[..., 2]),
    }
    write_bytes(path, save(arrays))
