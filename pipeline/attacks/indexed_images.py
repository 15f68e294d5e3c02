"""Rows of an index as [0, 1] pixels at a model's input size."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from jaxtyping import Float
from torch import Tensor

from pipeline.datasets.images import ImageParams, decode_image
from pipeline.sources import Source


@dataclass(frozen=True)
class IndexedImages:
    """An indexed data set, its source, and the transform up to [0, 1] pixels."""

    index: pl.DataFrame
    source: Source
    pixels_transform: Callable[[Any], Tensor]
    images: ImageParams = field(default_factory=ImageParams)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.index)

    def pixels(self, row: int) -> Float[Tensor, "3 h w"]:
        """Pixels of one row, in [0, 1].

        Raises:
            ValueError: If the file changed since it was indexed.
        """
        entry = self.index.row(row, named=True)
        data = self.source.read(entry["path"])
        if entry["sha256"] and hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise ValueError(
                f"'{entry['path']}' changed since it was indexed; index the data set again"
            )
        return self.read(data, path=entry["path"])

    def read(self, data: bytes, *, path: str = "a crafted image") -> Float[Tensor, "3 h w"]:
        """Pixels of an image file's bytes."""
        limits = {"max_pixels": self.images.max_pixels, "exif": self.images.exif}
        return self.pixels_transform(decode_image(data, path=path, **limits))
