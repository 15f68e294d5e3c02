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
from pathlib import Path
from typing import Any

from pipeline.cache_folder import cache_root
from pipeline.datasets.images import ImageParams
from pipeline.indexing.class_doubts import doubts
from pipeline.indexing.index_dataset import Role, index_dataset
from pipeline.indexing.indexing import IndexParams, list_images
from pipeline.params import load_params, read_section
from pipeline.sources import load_spec
from pipeline.stage import run_stage


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
    index = index_dataset(
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
