"""MNIST's format idx: a file of images and one of labels, or the folder that holds both splits."""

import gzip
import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.sources.image_folder import as_image_folder
from pipeline.sources.spec import SourceError

SPLITS = {"train": "train", "test": "t10k"}  # in row order, and what their files begin with


def load(
    path: Path, *, labels: str | None, split: str
) -> tuple[UInt8[np.ndarray, "n h w"], list[str], list[str]]:
    """Read a file, or one or both splits of a folder, training images first.

    Args:
        path: A file of images, or a folder with files of MNIST's own names.
        labels: A file of labels beside a file of images; a folder's have their own names.
        split: Of a folder: ``train``, ``test`` or ``all``.

    Returns:
        Images, the class key of each (all empty without labels), classes in label order.

    Raises:
        SourceError: If a file is missing or no idx file, or files do not belong together.
    """
    pairs = files(path, labels=labels, split=split)
    images = [_images(file) for file, _ in pairs]
    if len({part.shape[1:] for part in images}) > 1:
        sizes = " and ".join(f"{part.shape[1]} x {part.shape[2]}" for part in images)
        raise SourceError(f"'{path}' must hold images of one size in both splits, got {sizes}")
    joined = np.concatenate(images) if len(images) > 1 else images[0]
    told = [
        _labels(file, part, beside)
        for (beside, file), part in zip(pairs, images, strict=True)
        if file is not None
    ]
    if not told:
        return joined, [""] * len(joined), []
    values = np.concatenate(told)
    classes = [str(number) for number in range(int(values.max()) + 1)]
    return joined, [str(value) for value in values], classes


def files(path: Path, *, labels: str | None, split: str) -> list[tuple[Path, Path | None]]:
    """Return each file of images in row order, with its file of labels if there is one.

    Packed and unpacked files may lie together; the packed one is taken, whose checksum is known.

    Raises:
        SourceError: If a split is not there, one has labels and the other has none, or an option
            is for the other form.
    """
    if not path.is_dir():
        if split != "all":
            raise SourceError(f"'split: {split}' is of a folder with both, '{path}' is one file")
        return [(path, None if labels is None else Path(labels))]
    if labels is not None:
        raise SourceError(
            f"'{path}' is a folder, whose labels have names of their own; remove 'labels', or give "
            "one file of images as path"
        )
    pairs = []
    for name, lead in SPLITS.items():
        if split in (name, "all"):
            images = _find(path, f"{lead}-images", "idx3")
            if images is None:
                raise SourceError(
                    f"'{path}' must hold {lead}-images-idx3-ubyte.gz (packed or not); complete it, "
                    "or say by split: train or split: test which one is meant; "
                    f"{as_image_folder(path)}"
                )
            pairs.append((images, _find(path, f"{lead}-labels", "idx1")))
    labelled = [file.name for _, file in pairs if file is not None]
    if 0 < len(labelled) < len(pairs):
        raise SourceError(
            f"'{path}' holds '{labelled[0]}' and no labels of the other split; get both files or "
            "none, or say by split: train or split: test which one is meant"
        )
    return pairs


def _find(folder: Path, name: str, kind: str) -> Path | None:
    """A file as published, or as some archives unpack it: ``train-images.idx3-ubyte``.

    torchvision lays them into ``MNIST/raw``.
    """
    names = [f"{name}{sign}{kind}-ubyte{end}" for end in (".gz", "") for sign in "-."]
    places = (place / file for place in (folder, folder / "raw") for file in names)
    return next((place for place in places if place.is_file()), None)


def _images(path: Path) -> np.ndarray:
    images = read_idx(path)
    if images.ndim != 3:
        raise SourceError(f"'{path}' must hold images [n h w], got the shape {images.shape}")
    return images


def _labels(path: Path, images: np.ndarray, beside: Path) -> np.ndarray:
    values = read_idx(path)
    if values.shape != (len(images),):
        raise SourceError(
            f"'{path}' must hold one label for each of the {len(images)} images of '{beside}', "
            f"got the shape {values.shape}"
        )
    return values


def read_idx(path: Path) -> UInt8[np.ndarray, "..."]:
    """An array of bytes in the idx format of LeCun's MNIST page, plain or gzipped."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:3] != b"\0\0\x08":
        raise SourceError(f"'{path}' must be an idx file of unsigned bytes; begins {data[:4]!r}")
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)
