"""From a source of images to its index: which images, in which order, with which labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from pipeline.datasets.images import ImageParams
from pipeline.indexing.completeness import missing_folders
from pipeline.indexing.inspection import Finding, inspect_files
from pipeline.indexing.labels import Classes, check_classes, resolve_classes
from pipeline.indexing.positions import by_position
from pipeline.name_lists import first_and_more
from pipeline.sources import Entry, ImageSet, Source, SourceError, open_source


@dataclass(frozen=True)
class IndexParams:
    """Section ``index`` of params.yaml.

    Attributes:
        hash: Take the content hash of every file; extraction compares it.
        verify_images: Decode every image once, so that all bad files are known before the
            expensive stage.
        unreadable: ``error`` stops with the list of all bad files; ``exclude`` leaves them out,
            recorded in the index and counted in the report.
        partial: A data set may hold another number of images or classes than its benchmark
            states, or no images of a training class: a warning then, not an error.
        expected: Number of images by data set, as the benchmark states it; others are not counted.
        expected_classes: Number of classes by data set, likewise.
        workers: Files read at once; 0 chooses by the number of cores.
    """

    hash: bool = True
    verify_images: bool = True
    unreadable: Literal["error", "exclude"] = "error"
    partial: bool = False
    expected: dict[str, int] | None = None
    expected_classes: dict[str, int] | None = None
    workers: int = 0


class UnreadableImagesError(ValueError):
    """All files of a data set that are no readable images, as pairs of path and reason."""

    def __init__(self, dataset: str, bad: list[tuple[str, str]], *, listed_in: str) -> None:
        """Show the first twenty; the whole list is in a file."""
        lines = [f"{path}: {reason}" for path, reason in bad]
        shown = first_and_more(lines, shown=20, between="\n  ")
        super().__init__(
            f"{len(bad)} files of '{dataset}' are no readable images:\n  {shown}\n"
            f"All are listed in {listed_in}. Mend or remove them, or leave them out by "
            "-S index.unreadable=exclude"
        )
        self.bad = bad


def list_images(
    dataset: str, spec: ImageSet, *, reference: tuple[str, Classes] | None = None
) -> tuple[list[Entry], Classes, Source]:
    """List the images of a data set with its filters applied, and decide its classes.

    Args:
        dataset: The name in errors.
        spec: The entry of ``datasets``.
        reference: Name and classes of the ID training set, for an ID test set: its labels are
            then positions in that list.

    Raises:
        SourceError: If the source or what the filters leave of it is empty, or an image is of a
            class without a label.
    """
    source = open_source(spec)
    entries = source.entries()
    if not entries:
        raise SourceError(f"'{dataset}' must hold images; '{spec.path}' holds none")
    numbered = source.class_order()
    if isinstance(spec.classes, list | str) and numbered is not None:
        entries = by_position(entries, spec, numbered=numbered, dataset=dataset)
    own = resolve_classes(
        spec,
        declared=numbered,
        present=(entry.class_key for entry in entries),
        dataset=dataset,
        own_names=getattr(source, "readable", {}),
    )
    if spec.include_classes is not None or spec.exclude_classes is not None:
        kept = set(own.keys)
        if spec.include_classes is None:
            kept |= {entry.class_key for entry in entries} - set(spec.exclude_classes or [])
        entries = [entry for entry in entries if entry.class_key in kept]
    if spec.max_per_class is not None:
        entries = _first_of_each(entries, spec.max_per_class)
    if not entries:
        raise SourceError(
            own.incomplete
            or f"'{dataset}' must hold images; its filters leave none. See include_classes and "
            f"exclude_classes of datasets.{dataset}"
        )
    if spec.classes is False:
        return [Entry(entry.path, "") for entry in entries], Classes([], []), source
    classes = own if reference is None else replace(reference[1], incomplete=own.incomplete)
    check_classes(
        {entry.class_key for entry in entries},
        classes,
        dataset=dataset,
        reference=None if reference is None else reference[0],
        numbered=numbered is not None and spec.classes is True,
    )
    if reference is not None and numbered is None and not classes.incomplete:
        known = reference[0], classes.keys
        lacking = missing_folders(dataset, spec, entries, reference=known)
        classes = replace(classes, incomplete=lacking)
    return entries, classes, source


def build_index(
    entries: list[Entry],
    classes: Classes,
    source: Source,
    *,
    params: IndexParams,
    images: ImageParams,
    known: Sequence[Finding | None] | None = None,
    advance: Callable[[int], object] = lambda done: None,
) -> pl.DataFrame:
    """Inspect the files and put the columns of the index together, bad files with their error.

    Args:
        entries: The images, as `list_images` lists them.
        classes: Those that have labels.
        source: Where the images are.
        params: What is looked for in a file.
        images: Limits for the decoder.
        known: What a look at each image would find, None for those to be read; without it all are.
        advance: Called with the number of files just read.

    Raises:
        SourceError: If an ID test set lacks training classes, and no part is meant.
    """
    if classes.incomplete and not params.partial:
        raise SourceError(classes.incomplete)
    paths = [entry.path for entry in entries]
    told = known if known is not None else [None] * len(paths)
    read = inspect_files(
        source,
        [path for path, finding in zip(paths, told, strict=True) if finding is None],
        hashed=params.hash,
        verify=params.verify_images,
        images=images,
        workers=params.workers,
        advance=advance,
    )
    fresh = iter(read)
    findings = [finding or next(fresh) for finding in told]
    keys = pl.Series([entry.class_key for entry in entries], dtype=pl.String)
    labels = dict(zip(classes.keys, range(len(classes.keys)), strict=True))
    return pl.DataFrame(
        {
            "path": pl.Series(paths, dtype=pl.String),
            "label": keys.replace_strict(labels, default=-1, return_dtype=pl.Int32),
            "class_name": keys.replace_strict(
                classes.name_of(), default="", return_dtype=pl.String
            ),
            "sha256": pl.Series([digest for digest, _ in findings], dtype=pl.String),
            "error": pl.Series([error for _, error in findings], dtype=pl.String),
        }
    )


def _first_of_each(entries: list[Entry], count: int) -> list[Entry]:
    """The first images of each class, in the order they had."""
    keys, of_entry = np.unique([entry.class_key for entry in entries], return_inverse=True)
    taken = np.zeros(len(keys), dtype=np.int64)
    kept = []
    for entry, key in zip(entries, of_entry, strict=True):
        taken[key] += 1
        if taken[key] <= count:
            kept.append(entry)
    return kept
