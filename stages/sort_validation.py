"""Sort ImageNet's flat validation folder into class folders of links, by the official ground truth.

    python -m stages.sort_validation FLAT GROUND_TRUTH FOLDER [--meta META]

Reads   FLAT           ILSVRC2012_val_00000001.JPEG … 50000, in one folder; never written to
        GROUND_TRUTH   one line an image, in order: a WordNet id, or ILSVRC2012's own class number;
                       or lines of a name and one of these, as Kaggle's LOC_val_solution.csv
        META           the development kit's meta.mat, which says what the numbers mean
Writes  FOLDER/<wnid>/ILSVRC2012_val_….JPEG   symbolic links

The whole validation set or none: 1,000 classes of ImageNet-1k, 50 images each. For some of the
classes set datasets.<name>.include_classes when indexing.
"""

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.folders import folder_written_whole
from pipeline.language.shipped import imagenet_wnids
from pipeline.sources.ground_truth import told_classes
from pipeline.stage import run_stage

IMAGES = 50_000
CLASSES = 1_000
NAME = "ILSVRC2012_val_{:08d}.JPEG"


def class_numbers(meta: Path) -> dict[str, str]:
    """WordNet id by ILSVRC2012 class number, of the 1,000 leaf classes.

    Raises:
        ValueError: If the file is not the development kit's.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        synsets = np.atleast_1d(loadmat(meta, squeeze_me=True)["synsets"])
        return {
            str(int(one["ILSVRC2012_ID"])): str(one["WNID"])
            for one in synsets
            if int(one["num_children"]) == 0
        }
    except (MatReadError, NotImplementedError, KeyError, ValueError, TypeError, IndexError) as bad:
        raise ValueError(
            f"'{meta}' must be ILSVRC2012_devkit_t12/data/meta.mat, with its synsets ({bad})"
        ) from bad


def check_truth(truth: Sequence[str], *, classes: int, told_by: Path) -> None:
    """Refuse anything but ImageNet's own ids in equal shares: each becomes the name of a folder.

    Raises:
        ValueError: Names the id, or the class and how many images it has.
    """
    counts = Counter(truth)
    if strange := sorted(set(counts) - set(imagenet_wnids())):
        raise ValueError(
            f"'{told_by}' must hold WordNet ids of ImageNet-1k's classes; {len(strange)} are none, "
            f"the first is {strange[0]!r}. Get the official file again"
        )
    if len(counts) != classes or len(truth) % classes:
        raise ValueError(
            f"'{told_by}' must tell {classes} classes, got {len(counts)} in {len(truth)} lines. "
            "Get the official file again"
        )
    each = len(truth) // classes
    if uneven := sorted(wnid for wnid, count in counts.items() if count != each):
        raise ValueError(
            f"'{told_by}' must give each class {each} images; {len(uneven)} classes have others, "
            f"the first is {uneven[0]} with {counts[uneven[0]]}. Get the official file again"
        )


def run(
    flat: Path,
    ground_truth: Path,
    folder: Path,
    *,
    meta: Path | None = None,
    images: int = IMAGES,
    classes: int = CLASSES,
) -> None:
    """Make the links; see the module docstring.

    Raises:
        ValueError: If the files do not fit together; nothing is left behind then.
    """
    names = [NAME.format(number) for number in range(1, images + 1)]
    truth = [entry.class_key for entry in told_classes(names, ground_truth)]
    if "0" in truth:
        raise ValueError(
            f"'{ground_truth}' holds the number 0: its numbers are places in the sorted WordNet "
            "ids, not the development kit's own. Give it to the pipeline as it is, by "
            f"datasets.<name>.labels={shlex.quote(str(ground_truth))} and "
            "datasets.<name>.classes=imagenet1k, with the flat folder as path"
        )
    if truth[0].isdecimal():
        if meta is None:
            raise ValueError(
                f"'{ground_truth}' holds class numbers of the development kit: give --meta, "
                "ILSVRC2012_devkit_t12/data/meta.mat"
            )
        wnids = class_numbers(meta)
        if unknown := sorted(set(truth) - set(wnids)):
            raise ValueError(f"'{meta}' does not know the class number {unknown[0]}")
        truth = [wnids[number] for number in truth]
    check_truth(truth, classes=classes, told_by=ground_truth)
    if missing := [name for name in names if not (flat / name).is_file()]:
        raise ValueError(f"{len(missing)} of {images} images are not in '{flat}': {missing[0]}, …")
    if folder.exists():
        raise ValueError(f"'{folder}' exists already; remove it or name another folder")
    source = flat.resolve()
    with folder_written_whole(folder) as partial:
        for wnid in sorted(set(truth)):
            (partial / wnid).mkdir()
        for name, wnid in zip(names, truth, strict=True):
            (partial / wnid / name).symlink_to(source / name)


def main() -> None:
    """Parse the paths, run, say what was made."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("flat", "ground_truth", "folder"):
        parser.add_argument(path, type=Path)
    parser.add_argument("--meta", type=Path)
    args = parser.parse_args()

    run(args.flat, args.ground_truth, args.folder, meta=args.meta)
    print(f"{args.folder}: {IMAGES} links in {CLASSES} classes")


if __name__ == "__main__":
    run_stage(main)
