"""Sources whose images are pixels in one array: CIFAR's pickles, SVHN's .mat, MNIST's idx.

Each image is handed out as the bytes of a PNM file, which are the pixels behind a short header,
so that what follows reads, hashes and decodes it like any other file.
"""

import os
import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from pipeline.sources import cifar, idx, svhn
from pipeline.sources.listing import Entry
from pipeline.sources.spec import CifarSet, IdxSet, ImageSet, MatSet, SourceError


class Pixels(NamedTuple):
    """Gray or RGB images as bytes, their class keys, and the classes in label order."""

    images: UInt8[np.ndarray, "n h w *rgb"]
    class_keys: Sequence[str]
    classes: list[str]


_LOADED: dict[str, Any] = {}  # the last array used in this process
_LOCK = threading.Lock()


def _unlock() -> None:
    """In a forked child: another thread of the parent may have held the lock."""
    global _LOCK
    _LOCK = threading.Lock()


os.register_at_fork(after_in_child=_unlock)


@dataclass(frozen=True)
class ArraySource:
    """Rows of an array, in its order; the path is the zero-padded row number."""

    spec: ImageSet

    @property
    def pixels(self) -> Pixels:
        """The array, loaded once a process however many copies of the source it holds."""
        with _LOCK:
            if _LOADED.get("spec") != self.spec:
                _LOADED.update(spec=self.spec, pixels=load_pixels(self.spec))
            return _LOADED["pixels"]

    def class_order(self) -> list[str]:
        """The publisher's classes in label order."""
        return self.pixels.classes

    def entries(self) -> list[Entry]:
        """All rows."""
        return [Entry(f"{row:06d}.pnm", key) for row, key in enumerate(self.pixels.class_keys)]

    def read(self, path: str) -> bytes:
        """One image as a binary PNM file.

        Raises:
            SourceError: If the array has no such row.
        """
        images, row = self.pixels.images, path.removesuffix(".pnm")
        if not row.isdecimal() or int(row) >= len(images):
            raise SourceError(
                f"'{self.spec.path}' has {len(images)} images and no '{path}', though the index "
                "lists it; put the file back, or index the data set again"
            )
        image = images[int(row)]
        kind = "P6" if image.ndim == 3 else "P5"
        header = f"{kind}\n{image.shape[1]} {image.shape[0]}\n255\n".encode()
        return header + np.ascontiguousarray(image).tobytes()


def load_pixels(spec: ImageSet) -> Pixels:
    """Read the whole array of a publisher's file.

    Raises:
        SourceError: If the file is damaged or of another form.
    """
    try:
        match spec:
            case CifarSet():
                return Pixels(*cifar.load(Path(spec.path), split=spec.split, coarse=spec.coarse))
            case MatSet():
                return Pixels(*svhn.load(Path(spec.path)))
            case IdxSet():
                return Pixels(*idx.load(Path(spec.path), labels=spec.labels, split=spec.split))
    except SourceError:
        raise
    except (OSError, ValueError, KeyError, EOFError, struct.error, zlib.error) as error:
        raise SourceError(f"'{spec.path}' is damaged or of another form ({error})") from error
    raise TypeError(f"no array in a {type(spec).__name__}")
