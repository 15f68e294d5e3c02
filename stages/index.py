"""List the images of one data set in a fixed order, with labels and content hashes.

    python -m stages.index DATASET INDEX

Reads   the images of datasets.DATASET, in place and read-only; those that were read before and that
        the disk says are unchanged are known from the side cache
Writes  INDEX                      one row an image: row, path, label, class_name, sha256, error;
                                   with index.hash false also place: where the files lie, and a
                                   hash of their sizes and times
        INDEX with .unreadable.txt  where files are no images: every one of them with the reason
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.cache_folder import cache_root
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import write_index
from pipeline.indexing.class_doubts import doubts
from pipeline.indexing.completeness import check_complete, empty_class_folders
from pipeline.indexing.file_records import written_digest
from pipeline.indexing.id_sets import single_images
from pipeline.indexing.image_memory import ImageMemory
from pipeline.indexing.indexing import (
    IndexParams,
    UnreadableImagesError,
    build_index,
    check_id,
    list_images,
)
from pipeline.indexing.labels import Classes
from pipeline.language.class_names import class_names
from pipeline.params import load_params, read_section
from pipeline.progress import Progress
from pipeline.sources import ImageSet, RowsSet, load_spec
from pipeline.sources.ignored import left_out
from pipeline.stage import run_stage


@dataclass(frozen=True)
class Role:
    """What the benchmark uses the data set for."""

    training: bool = False
    testing: bool = False


def run(
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
    """Index one data set; see the module docstring.

    `names_from` is what tells the class names of a training set, `memories` keeps what was seen
    before.
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
    said += single_images(entries, dataset=dataset) if role.training else []
    for sentence in said:
        print(f"warning: {dataset}: {sentence}", flush=True)  # before hours of reading
    memory, recalled = None, None
    if memories is not None and (params.hash or params.verify_images):
        memory = ImageMemory.of(memories, dataset, spec, params=params, images=images)
        recalled = memory.recall(source, [entry.path for entry in entries])
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
    if not params.hash and not isinstance(spec, RowsSet):  # only the place tells which these are
        places = (spec.path, getattr(spec, "root", None))
        resolved = [str(Path(place).resolve()) for place in places if place]
        written = written_digest(spec, source, index["path"].to_list())
        index = index.with_columns(place=pl.lit(" ".join([*resolved, written])))
    bad = index.filter(pl.col("error").is_not_null()).select("path", "error").rows()
    listed = path.with_suffix(".unreadable.txt")
    listed.unlink(missing_ok=True)
    if bad:
        path.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("".join(f"{file}\t{error}\n" for file, error in bad), encoding="utf-8")
        if params.unreadable == "error" or len(bad) == len(index):
            raise UnreadableImagesError(dataset, bad, listed_in=str(listed))
    write_index(path, index)
    return index


def main() -> None:
    """Read the parameters, index, and say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("index", type=Path)
    args = parser.parse_args()

    started = time.perf_counter()
    benchmark: dict[str, Any] = read_section("benchmark")
    role = Role(args.dataset == benchmark["id_train"], args.dataset == benchmark["id_test"])
    reference = None
    if role.testing and not role.training:
        train = benchmark["id_train"]
        reference = train, list_images(train, load_spec(train))[1]
    index = run(
        args.dataset,
        load_spec(args.dataset),
        args.index,
        params=load_params("index", IndexParams),
        images=load_params("images", ImageParams),
        role=role,
        reference=reference,
        names_from=benchmark.get("class_names"),
        memories=cache_root() / "indexed",
    )
    excluded = index["error"].count()
    seconds = time.perf_counter() - started
    print(
        f"{args.dataset}: {len(index) - excluded:,} images, "
        f"{index['label'].filter(index['label'] >= 0).n_unique()} classes, "
        f"{excluded:,} unreadable files left out, {len(index) / seconds:,.0f} images/s"
    )
    if role.training or role.testing:
        known = [] if reference is None else reference[1].names
        for doubt in doubts(index, reference=known):
            print(f"warning: {args.dataset}: {doubt}")


if __name__ == "__main__":
    run_stage(main)
