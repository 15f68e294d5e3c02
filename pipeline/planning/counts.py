"""How many images each data set has: counted, stated, or estimated where nobody counted yet."""

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.fetching.entry import Download
from pipeline.recorded_runs import MAKERS, RecordedRuns
from pipeline.sources import SourceError, read_spec
from pipeline.sources.ignored import IgnoredNames
from pipeline.sources.spec import FolderSet, ImageSet

SAMPLED = 5  # class folders that are looked into
MOST = 10_000  # entries of a folder that are listed for it


@dataclass(frozen=True)
class ImageCounts:
    """Images by data set; None where nothing tells how many.

    Attributes:
        images: Their number.
        estimated: The data sets whose number is no count.
    """

    images: dict[str, int | None]
    estimated: frozenset[str]


def image_counts(
    params: Mapping[str, Any], runs: RecordedRuns, known: Mapping[str, Download], root: Path
) -> ImageCounts:
    """By a data set's index, else as the benchmark expects, else by its classes.

    Args:
        params: What params.yaml holds, or would hold.
        runs: What DVC recorded.
        known: The known downloads by their name below the data root.
        root: The data root.
    """
    expected = params["benchmark"].get("expected") or {}
    images: dict[str, int | None] = {}
    estimated = set()
    for name, entry in params["datasets"].items():
        if runs.index_is_current(name):
            index = pl.scan_parquet(f"data/index/{name}.parquet")
            images[name] = int(index.select(pl.col("row").count()).collect().item())
        elif isinstance(entry, dict) and entry.get("source") == "craft":
            images[name] = {**params["craft"]["defaults"], **entry}.get("pairs")
        elif (stated := expected.get(name)) is not None:
            images[name] = stated
        elif (about := _estimate(name, entry, known, root)) is not None:
            images[name] = about
            estimated.add(name)
        else:
            images[name] = None
    return ImageCounts(images, frozenset(estimated))


def _estimate(name: str, entry: Any, known: Mapping[str, Download], root: Path) -> int | None:
    """Classes times images a class: those of the whole set as published, else of some folders."""
    values = entry if isinstance(entry, Mapping) else {"path": entry}
    if values.get("source") in MAKERS:
        return None
    chosen, without = values.get("include_classes"), values.get("exclude_classes") or []
    download = known.get(str(values.get("path")))
    if download and download.images and download.classes:
        classes = len(chosen) if chosen else download.classes - len(without)
        each = download.images / download.classes
    else:
        try:
            folders = _class_folders(read_spec(name, entry, data_root=root))
            folders = [f for f in folders if not chosen or f.name in chosen]
            folders = [f for f in folders if f.name not in without]
            sample = folders[:: max(1, len(folders) // SAMPLED)][:SAMPLED]
            each = sum(len(list(f.iterdir())) for f in sample) / max(1, len(sample))
        except (SourceError, OSError):
            return None
        classes = len(folders)
    return round(classes * min(each, values.get("max_per_class") or each)) or None


def _class_folders(spec: ImageSet) -> list[Path]:
    """The class folders of a folder tree, in order; none where the classes are told otherwise."""
    if not isinstance(spec, FolderSet) or spec.labels is not None or spec.class_depth != 1:
        return []
    ignored, place = IgnoredNames(spec.ignore), Path(spec.path) / spec.subfolder
    with os.scandir(place) as listing:
        some = itertools.islice(listing, MOST)
        names = [entry.name for entry in some if not entry.is_file(follow_symlinks=False)]
    return [place / name for name in sorted(names) if not ignored.folder(name)]
