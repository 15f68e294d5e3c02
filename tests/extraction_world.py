"""A tiny world for extraction tests: images, an index, a model of one matrix product."""

import io
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

import pipeline.extraction.loop
from pipeline.backbones.weights import write_record
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index, write_index
from pipeline.extraction.extract_params import ExtractParams
from pipeline.extraction.extract_store import Extraction, extract_store

WIDTH = 6


@dataclass(frozen=True)
class Files:
    """The simplest source: paths below a folder."""

    root: Path

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()


def to_array(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float32).reshape(-1) / 255


@dataclass
class MatrixEncoder:
    """Looks like a backbone to the loop; `before` is called before each batch."""

    before: object = None
    prepare: object = field(default=to_array)
    read: object = None
    seen: list = field(default_factory=list)

    def encode(self, pieces):
        images = np.concatenate([np.stack(piece) for piece in pieces])
        if self.before is not None:
            self.before(len(self.seen))
        self.seen.append(len(images))
        matrix = np.random.default_rng(0).normal(size=(images.shape[1], WIDTH))
        return (images @ matrix).astype(np.float32)

    def rows(self, batches):
        return np.concatenate(batches)

    def facts(self):
        return {"width": WIDTH, "space": "features"}


def write_images(folder: Path, n: int) -> None:
    """Write n pictures of 4 x 4 pixels, two classes."""
    rng = np.random.default_rng(1)
    for number in range(n):
        path = folder / "ab"[number % 2] / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(data, "png")
        path.write_bytes(data.getvalue())


@dataclass
class World:
    """Paths of one data set and how to extract it."""

    root: Path
    index: pl.DataFrame

    @classmethod
    def make(cls, root: Path, n: int) -> "World":
        import hashlib

        write_images(root / "images", n)
        paths = sorted(
            p.relative_to(root / "images").as_posix() for p in (root / "images").rglob("*.png")
        )
        table = pl.DataFrame(
            {
                "path": paths,
                "label": [int(path[0] == "b") for path in paths],
                "class_name": [path[0] for path in paths],
                "sha256": [
                    hashlib.sha256((root / "images" / path).read_bytes()).hexdigest()
                    for path in paths
                ],
                "error": [None] * n,
            },
            schema_overrides={"label": pl.Int32, "error": pl.String},
        )
        write_index(root / "index.parquet", table)
        write_record(root / "weights", {"sha256": "matrix"})
        return cls(root, read_index(root / "index.parquet"))

    def extract(self, store="store.zarr", *, encoder=None, index=None, cache="cache", **params):
        """Extract into `store`; return the provenance."""
        params = {"batch_size": 32, "shard_rows": 512, **params}
        return extract_store(
            Extraction(
                "matrix",
                "pictures",
                index=self.index if index is None else index,
                weights=self.root / "weights",
                entry={"loader": "timm", "name": "matrix"},
                source=Files(self.root / "images"),
                params=ExtractParams(device="cpu", **params),
                images=ImageParams(),
            ),
            self.root / store,
            root=self.root / cache,
            load=lambda _: encoder or MatrixEncoder(),
        )


def same_bytes(one: Path, two: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    from pipeline.storage.manifest import stored_files

    names = stored_files(one)
    return names == stored_files(two) and all(
        (one / name).read_bytes() == (two / name).read_bytes() for name in names
    )


def run_slowly(root: Path, pause: float, store: str, arguments: dict) -> None:
    """Extract in a process of its own, pausing in and committing after every batch."""
    pipeline.extraction.loop.COMMIT_SECONDS = 0.0
    world = World(root, read_index(root / "index.parquet"))
    world.extract(store, encoder=MatrixEncoder(before=lambda _: time.sleep(pause)), **arguments)


def run_limited(root: Path, cache: str, limit: int | None, results) -> None:
    """Extract where the disk is full or files may not exceed `limit` bytes; report the message."""
    import resource

    from pipeline.stage import explained
    from stages.extract import KEPT

    pipeline.extraction.loop.COMMIT_SECONDS = 0.0
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    world = World(root, read_index(root / "index.parquet"))
    try:
        world.extract("full.zarr", cache=cache)
        results.put("finished")
    except OSError as error:
        results.put(explained(error, kept=KEPT))


def load_matrix(_: str) -> MatrixEncoder:
    """Load the model in a process of its own."""
    return MatrixEncoder()
