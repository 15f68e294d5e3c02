"""Sort ImageNet's flat validation folder into class folders of links, by the official ground truth.

    python -m stages.sort_validation FLAT GROUND_TRUTH FOLDER [--meta META]

Reads   FLAT           ILSVRC2012_val_00000001.JPEG … 50000, in one folder; never written to
        GROUND_TRUTH   one line an image, in order: a WordNet id, or ILSVRC2012's own class number
        META           the development kit's meta.mat, which says what the numbers mean
Writes  FOLDER/<wnid>/ILSVRC2012_val_….JPEG   symbolic links
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

IMAGES = 50_000
NAME = "ILSVRC2012_val_{:08d}.JPEG"


def class_numbers(meta: Path) -> dict[str, str]:
    """WordNet id by ILSVRC2012 class number, of the 1,000 leaf classes."""
    from scipy.io import loadmat

    synsets = np.atleast_1d(loadmat(meta, squeeze_me=True)["synsets"])
    return {
        str(int(one["ILSVRC2012_ID"])): str(one["WNID"])
        for one in synsets
        if int(one["num_children"]) == 0
    }


def run(
    flat: Path, ground_truth: Path, folder: Path, *, meta: Path | None = None, images: int = IMAGES
) -> int:
    """Make the links; return the number of classes.

    Raises:
        ValueError: If the files do not fit together; nothing is left behind then.
    """
    truth = ground_truth.read_text(encoding="utf-8").split()
    if len(truth) != images:
        raise ValueError(f"'{ground_truth}' must have {images} lines, got {len(truth)}")
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
    names = [NAME.format(number) for number in range(1, images + 1)]
    if missing := [name for name in names if not (flat / name).is_file()]:
        raise ValueError(f"{len(missing)} of {images} images are not in '{flat}': {missing[0]}, …")
    if folder.exists():
        raise ValueError(f"'{folder}' exists already; remove it or name another folder")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for wnid in set(truth):
        (partial / wnid).mkdir(parents=True)
    source = flat.resolve()
    for name, wnid in zip(names, truth, strict=True):
        (partial / wnid / name).symlink_to(source / name)
    partial.replace(folder)
    return len(set(truth))


def main() -> None:
    """Parse the paths, run, say what was made."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("flat", "ground_truth", "folder"):
        parser.add_argument(path, type=Path)
    parser.add_argument("--meta", type=Path)
    args = parser.parse_args()

    classes = run(args.flat, args.ground_truth, args.folder, meta=args.meta)
    print(f"{args.folder}: {IMAGES} links in {classes} classes")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
