"""What an entry of ``datasets`` in params.yaml may say: one frozen dataclass a kind of source.

An entry is a mapping, or a plain string that is the path of a folder or an archive. Relative
paths are taken from the working directory, or else from the parameter ``data_root``.

A folder may stand wherever an archive may: the path of a zip or tar set, or the root of a list,
may be the folder that the archive was unpacked to, and gives the same index. The ``subfolder`` (of
a list: the ``prefix``) then begins inside that folder: of ``iNaturalist/images``, the folder
``/data/iNaturalist`` holds ``images`` alone.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal


class SourceError(ValueError):
    """A data set that cannot be listed or read; the message names its path and the cure."""


@dataclass(frozen=True)
class ImageSet:
    """What every source of images understands.

    Attributes:
        path: Folder, archive or file, read in place and never written to.
        classes: ``true``: the source's own classes, in sorted order (or its own numbering);
            ``false``: no labels; a list, or a file with one class a line: classes in label order;
            ``imagenet1k``: its WordNet ids. Where the source has numbers, with names or without,
            they are positions in that list.
        first_label: The number of the first class of that list where the source has numbers.
            ILSVRC2012's own numbers begin at 1, but are no places in the sorted WordNet ids: 1 is
            n02119789. The list must have their order, which the development kit's meta.mat holds;
            ``python -m stages.sort_validation --meta`` reads it.
        class_names: Readable names: a JSON file or a mapping {class: name}, a JSON list in label
            order, or a text file of "class name" lines.
        include_classes: Keep images of these classes only.
        exclude_classes: Leave out images of these classes.
        max_per_class: Keep the first images of each class only, in path order; images without a
            class count as one. These three know the source's own classes, also where ``classes``
            is ``false``.
    """

    path: str
    classes: bool | str | list[str] = True
    first_label: int = 0
    class_names: str | dict[str, str] | None = None
    include_classes: list[str] | None = None
    exclude_classes: list[str] | None = None
    max_per_class: int | None = None


@dataclass(frozen=True)
class TreeSet(ImageSet):
    """Folders of images, whether packed or not.

    Attributes:
        subfolder: Where the data set begins.
        class_depth: How many directories, from there, are the class.
        ignore: Further file name patterns that are no images, such as ``*.csv``.
        labels: For images without class directories, a file that tells the classes: "name class" or
            "name,class" lines (as Kaggle's LOC_val_solution.csv), or one class a line in the sorted
            order of the names. ImageNet's official ground truth is of that form, but holds numbers
            of an order of its own: see ``first_label``.
    """

    subfolder: str = ""
    class_depth: int = 1
    ignore: list[str] = dataclasses.field(default_factory=list)
    labels: str | None = None


@dataclass(frozen=True)
class FolderSet(TreeSet):
    """A folder tree; the class is the first directory (the first two with ``class_depth: 2``)."""

    source: Literal["folder"] = "folder"


@dataclass(frozen=True)
class ZipSet(TreeSet):
    """A zip archive of a folder tree, read without unpacking."""

    source: Literal["zip"] = "zip"


@dataclass(frozen=True)
class TarSet(TreeSet):
    """Tar archives, also gzipped: of a folder tree, or WebDataset shards of key.jpg + key.cls.

    The path may be a pattern: ``train-{0000..0012}.tar`` or ``*.tar``.
    """

    source: Literal["tar"] = "tar"


@dataclass(frozen=True)
class ListSet(ImageSet):
    """A text file of "path label" lines, paths relative to ``root`` (a folder or an archive).

    A label is a number behind a space or a tab, -1 for none; it may be missing in every line.

    ``strip`` drops so many leading directories of each path in the list, then ``prefix`` goes in
    front: so a list made for one layout reads the publisher's own archive.
    """

    source: Literal["list"] = "list"
    root: str = "."
    strip: int = 0
    prefix: str = ""


@dataclass(frozen=True)
class ParquetSet(ImageSet):
    """Parquet files with the images' bytes in a column, as data set hubs hand them out.

    The path may be a file, a pattern such as ``train-*.parquet``, or a folder of one split's files.
    """

    source: Literal["parquet"] = "parquet"
    image_column: str = "image"
    label_column: str | None = "label"


@dataclass(frozen=True)
class CifarSet(ImageSet):
    """CIFAR-10 or CIFAR-100 in their python version: the .tar.gz itself or its folder."""

    source: Literal["cifar"] = "cifar"
    split: Literal["train", "test"] = "test"
    coarse: bool = False


@dataclass(frozen=True)
class MatSet(ImageSet):
    """SVHN's cropped digits: a MATLAB file with X [h w 3 n] and y [n 1], where 10 stands for 0."""

    source: Literal["mat"] = "mat"


@dataclass(frozen=True)
class IdxSet(ImageSet):
    """MNIST's format: an idx file of images and one of labels, plain or gzipped.

    The path may be the folder of MNIST's own files: both splits, training images first, or one of
    them (``split``), with the labels that lie there.
    """

    source: Literal["idx"] = "idx"
    labels: str | None = None
    split: Literal["all", "train", "test"] = "all"


@dataclass(frozen=True)
class RowsSet(ImageSet):
    """Rows of features computed elsewhere, without image files; see pipeline.extraction.imports.

    ``path`` is a features file (its rows are counted, and its own labels used) or a labels file;
    ``labels`` a labels file beside it; ``columns`` names arrays or columns in either.
    """

    source: Literal["features"] = "features"
    labels: str | None = None
    columns: dict[str, str] = dataclasses.field(default_factory=dict)
