"""Index one data set: list it, compare it with what it should hold, look at its files, write."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import write_index
from pipeline.indexing.completeness import check_complete, empty_class_folders
from pipeline.indexing.file_records import written_digest
from pipeline.indexing.id_sets import check_id, single_images
from pipeline.indexing.image_memory import ImageMemory
from pipeline.indexing.indexing import (
    IndexParams,
    UnreadableImagesError,
    build_index,
    list_images,
)
from pipeline.indexing.labels import Classes
from pipeline.language.class_names import class_names
from pipeline.progress import Progress
from pipeline.sources import Entry, ImageSet, RowsSet, Source
from pipeline.sources.ignored import left_out


@dataclass(frozen=True)
class Role:
    """What the benchmark uses the data set for."""

    training: bool = False
    testing: bool = False


def index_dataset(
    dataset: str,
    spec: ImageSet,
    path: Path,
    *,
    params: IndexParams,
    images: ImageParams,
    role: Role = Role(),
    reference: tuple[str, Classes] | None = None,
    names_from: str | list[str] | dict[str, str] | None = None,
    memories: Path | None = None,
) -> pl.DataFrame:
    """Write the index of a data set, and beside it the list of files that are no images.

    Args:
        dataset: Its name.
        spec: Its entry of ``datasets``.
        path: Where the index goes.
        params: Section ``index``.
        images: Limits for the decoder.
        role: What the benchmark uses it for.
        reference: Name and classes of the ID training set, for an ID test set.
        names_from: What tells the class names of a training set.
        memories: Where what was seen before is kept; None reads every file.

    Raises:
        SourceError: If the listing is not what such a set must hold.
        UnreadableImagesError: If files are no images and none may be left out, or all are none.
    """
    if isinstance(spec, RowsSet):  # no files behind the rows
        params = replace(params, hash=False, verify_images=False)
    entries, classes, source = list_images(dataset, spec, reference=reference)
    if named := left_out(source):
        print(f"{dataset}: left out by their names, as no images: {named}", flush=True)
    if role.training or role.testing:
        check_id(entries, dataset=dataset, training=role.training)
    if role.training:
        class_names(names_from, classes.names)  # each has a name, known before hours of reading
    for sentence in _doubts_of_listing(dataset, spec, source, entries, params=params, role=role):
        print(f"warning: {dataset}: {sentence}", flush=True)  # before hours of reading
    memory = None
    if memories is not None and (params.hash or params.verify_images):
        memory = ImageMemory.of(memories, dataset, spec, params=params, images=images)
    index = _looked_at(
        dataset, entries, classes, source, params=params, images=images, memory=memory
    )
    if not params.hash and not isinstance(spec, RowsSet):  # only the place tells which these are
        index = index.with_columns(place=pl.lit(_place(spec, source, index["path"].to_list())))
    _list_unreadable(dataset, index, path, excluded=params.unreadable == "exclude")
    write_index(path, index)
    return index


def _doubts_of_listing(
    dataset: str,
    spec: ImageSet,
    source: Source,
    entries: list[Entry],
    *,
    params: IndexParams,
    role: Role,
) -> list[str]:
    """Compare the listing with the numbers that its benchmark states; return what is odd."""
    empty = empty_class_folders(spec, source, entries)
    said = check_complete(
        dataset,
        spec,
        entries,
        images=(params.expected or {}).get(dataset),
        classes=(params.expected_classes or {}).get(dataset),
        empty=empty,
        partial=params.partial,
    )
    if empty and not said and (role.training or role.testing):
        said = [f"{len(empty)} class folders hold no image: {', '.join(empty[:10])}"]
    return said + (single_images(entries, dataset=dataset) if role.training else [])


def _looked_at(
    dataset: str,
    entries: list[Entry],
    classes: Classes,
    source: Source,
    *,
    params: IndexParams,
    images: ImageParams,
    memory: ImageMemory | None,
) -> pl.DataFrame:
    """Look at every file that is not remembered, and remember it."""
    recalled = memory.recall(source, [entry.path for entry in entries]) if memory else None
    known = recalled.count if recalled else 0
    if known:
        print(f"{dataset}: {known:,} of {len(entries):,} files are as they were", flush=True)
    progress = Progress(f"index {dataset}", len(entries), done=known)
    index = build_index(
        entries,
        classes,
        source,
        params=params,
        images=images,
        known=recalled.findings() if recalled else None,
        advance=progress.advance,
    )
    progress.close()
    if memory and recalled:
        memory.keep(recalled, index)
    return index


def _place(spec: ImageSet, source: Source, paths: Sequence[str]) -> str:
    """Say where the files lie, and hash their sizes and times of writing."""
    places = (spec.path, getattr(spec, "root", None))
    resolved = [str(Path(place).resolve()) for place in places if place]
    return " ".join([*resolved, written_digest(spec, source, paths)])


def _list_unreadable(dataset: str, index: pl.DataFrame, path: Path, *, excluded: bool) -> None:
    """Write the list of bad files where there are any; refuse them, or an index of nothing else."""
    bad = index.filter(pl.col("error").is_not_null()).select("path", "error").rows()
    listed = path.with_suffix(".unreadable.txt")
    listed.unlink(missing_ok=True)
    if bad:
        path.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("".join(f"{file}\t{error}\n" for file, error in bad), encoding="utf-8")
        if not excluded or len(bad) == len(index):
            raise UnreadableImagesError(dataset, bad, listed_in=str(listed))
