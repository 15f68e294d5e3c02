"""What an in-distribution set must hold: a class for each image, and each class under one name."""

from collections import Counter
from pathlib import PurePosixPath

from pipeline.indexing.class_doubts import one_class_twice
from pipeline.name_lists import first_and_more
from pipeline.sources import Entry, SourceError
from pipeline.sources.ignored import IMAGES


def check_id(entries: list[Entry], *, dataset: str, training: bool) -> None:
    """Refuse an ID set whose images have no class, or a training set with one, or one class twice.

    Raises:
        SourceError: Names the data set and the first image without a class, or the classes.
    """
    if unlabelled := [entry.path for entry in entries if not entry.class_key]:
        raise SourceError(
            f"every image of '{dataset}' needs a class, as it is in-distribution; "
            f"{len(unlabelled)} have none, the first is '{unlabelled[0]}'. "
            + (_no_image(unlabelled, dataset) or _no_class(unlabelled, dataset))
        )
    present = {entry.class_key for entry in entries}
    if training and len(present) < 2:
        only = present.pop()
        raise SourceError(
            f"'{dataset}' must have at least two classes, as it is the ID training set; "
            f"got one: '{only}'. Put one directory a class in its folder, or, if they lie in "
            f"'{only}', say so by +datasets.{dataset}.subfolder={only}"
        )
    if training and (twice := one_class_twice(present)):
        raise SourceError(
            f"'{dataset}' must have each class under one name, as it is the ID training set; "
            f"{' and '.join(map(repr, twice[0]))} differ by case, spaces, underscores or how "
            "accents are coded only. Put their images in one folder; if they are two classes, "
            f"rename one (where the data set has numbers, by a list in datasets.{dataset}.classes)"
        )


def _no_image(unlabelled: list[str], dataset: str) -> str:
    """The cure where files that have no class have no image's name either, else nothing."""
    suffixes = sorted({PurePosixPath(path).suffix.lower() for path in unlabelled})
    if "" in suffixes or IMAGES & set(suffixes):
        return ""
    patterns = ",".join(f"*{suffix}" for suffix in suffixes)
    return (
        "By its name that is no image, and every other file of a data set counts as one: remove "
        f"it, or leave out all of its kind by -S '++datasets.{dataset}.ignore=[{patterns}]'"
    )


def _no_class(unlabelled: list[str], dataset: str) -> str:
    """The cures where images have no class."""
    cure = (
        f"Put them in one directory a class; for a folder or an archive +datasets.{dataset}.labels "
        "may name a file that tells the classes"
    )
    if PurePosixPath(unlabelled[0]).name.startswith("ILSVRC2012_val_"):
        return f"{cure}; ImageNet's validation folder is sorted by python -m stages.sort_validation"
    return cure


def single_images(entries: list[Entry], *, dataset: str) -> list[str]:
    """Return a warning where classes of the ID training set have one image; `fit` needs two."""
    counts = Counter(entry.class_key for entry in entries)
    if not (single := sorted(key for key, count in counts.items() if count == 1)):
        return []
    shown = first_and_more(single, shown=10)
    return [
        f"{len(single)} classes have one image, and Gaussians of the labels (fit.gaussians) need "
        f"two of each, so that `fit` will stop: {shown}; add images, or leave these classes out by "
        f"datasets.{dataset}.exclude_classes"
    ]
