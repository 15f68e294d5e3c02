"""Features on disk: Zarr v3 groups, sharded, checksummed, the same bytes for the same input.

A feature store holds `features` [n d] and `labels` [n] and says in its attributes what they are
(backbone, dataset, norm, space). Opening checks the list of files, reading checks their content:
damage is an error that names the shard and the cure, never a row of zeros. So is a store that
another process replaces in the meantime: Zarr finds each file by its path, so that the manifest is
looked at again after every read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Shaped

from pipeline.storage.manifest import Damage, Manifest, StoreError

__all__ = ["FeatureSet", "StoreError", "iter_shards", "read_arrays", "read_features", "read_labels"]


@dataclass(frozen=True)
class FeatureSet:
    """All rows of one store, widened to float32 for arithmetic."""

    features: Float32[np.ndarray, "n d"]
    labels: Int32[np.ndarray, " n"]
    attributes: dict[str, Any]


def iter_shards(
    path: Path, *, block: int | None = None, same_as: Manifest | None = None
) -> Iterator[tuple[int, Float32[np.ndarray, "_ d"]]]:
    """Yield (first row, float32 features) shard by shard, each checked before it is read.

    Args:
        path: A feature store.
        block: Rows of a shard to read at a time, for little memory; None for all of them.
        same_as: Of the store at an earlier pass, where it must still be the same.

    Raises:
        StoreError: If the store or a shard is damaged, or it was replaced while it was read.
    """
    manifest, group = open_store(path, same_as=same_as)
    with _reading(path, manifest):
        array = group["features"]
    rows, per_shard = array.shape[0], array.shards[0]
    for number, start in enumerate(range(0, rows, per_shard)):
        file = f"features/c/{number}/0"
        if problems := manifest.check_content(path, [file]):
            raise manifest.fault(path, problems)
        stop = min(start + per_shard, rows)
        for low in range(start, stop, block or per_shard):
            with _reading(path, manifest, [file]):
                part = np.asarray(array[low : min(low + (block or per_shard), stop)])
            yield low, part.astype(np.float32, copy=False)


def read_attributes(path: Path) -> dict[str, Any]:
    """Return what a store says about itself; no row is read."""
    return dict(open_store(path)[1].attrs)


def read_labels(path: Path) -> Int32[np.ndarray, " n"]:
    """Read the class of each row of a feature store, -1 where there is none, and no features.

    Raises:
        StoreError: If the store or its labels are damaged, or it was replaced while it was read.
    """
    manifest, group = open_store(path)
    files = [name for name in manifest.files if name.startswith("labels/")]
    if problems := manifest.check_content(path, files):
        raise manifest.fault(path, problems)
    with _reading(path, manifest, files):
        return np.asarray(group["labels"][...])


def read_features(path: Path) -> FeatureSet:
    """Read a whole feature store, every shard checked.

    Raises:
        StoreError: If the store is missing, damaged, or was replaced while it was read; names the
            shard and the cure.
    """
    arrays, attributes = read_arrays(path)
    if not {"features", "labels"} <= set(arrays):
        raise StoreError(f"{path} is no feature store: it holds {', '.join(sorted(arrays))}")
    features = arrays["features"].astype(np.float32, copy=False)
    return FeatureSet(features, arrays["labels"], attributes)


def read_arrays(path: Path) -> tuple[dict[str, Shaped[np.ndarray, "..."]], dict[str, Any]]:
    """Read all arrays and attributes of a store, every file checked.

    Raises:
        StoreError: If the store is missing, damaged, or was replaced while it was read.
    """
    manifest, group = open_store(path)
    if problems := manifest.check_content(path, manifest.files):
        raise manifest.fault(path, problems)
    with _reading(path, manifest, list(manifest.files)):
        arrays = {name: np.asarray(group[name][...]) for name in sorted(manifest.arrays)}
    return arrays, dict(group.attrs)


def open_store(path: Path, *, same_as: Manifest | None = None) -> tuple[Manifest, Any]:
    """Open a store read-only after checking its list of files and its metadata.

    Args:
        path: A store.
        same_as: Of the store as it was, where it must still be the same.

    Returns:
        Its manifest and its Zarr group.

    Raises:
        StoreError: If the store is missing, damaged, or another than it was.
    """
    import zarr

    manifest = Manifest.load(path)
    if same_as not in (None, manifest):
        raise same_as.fault(path, [])
    metadata = [name for name in manifest.files if name.endswith("zarr.json")]
    problems = manifest.check_listing(path) or manifest.check_content(path, metadata)
    if problems:
        raise manifest.fault(path, problems)
    with _reading(path, manifest, metadata):
        return manifest, zarr.open_group(path, mode="r")


@contextmanager
def _reading(path: Path, manifest: Manifest, files: Sequence[str] = ()) -> Iterator[None]:
    """See to it that what Zarr reads in the block is of the files that were checked before it.

    Args:
        path: A store.
        manifest: By which they were checked.
        files: Those read; for one that is gone Zarr gives zeros.
    """
    try:
        yield
    except Exception:  # half of one store and half of another breaks in many ways
        if manifest.stands(path):
            raise
        raise manifest.fault(path, []) from None
    problems = [Damage(name, "is missing") for name in files if not (path / name).exists()]
    if problems or not manifest.stands(path):
        raise manifest.fault(path, problems)
