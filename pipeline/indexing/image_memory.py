"""Images that were looked at before are not read again, where the disk says that nothing changed.

One table a data set in the side cache, outside DVC's outputs: path, size and times of the file that
holds each image, and its content hash. It may be removed at any time. It is followed only where it
is whole, as the hash in its name tells, and was made by the same code, libraries and parameters;
bad images are not in it, so that each is looked at again. What is read from it and what is read
from the images make the same index.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import io
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.code_closure import ROOT, stage_code
from pipeline.datasets.images import ImageParams
from pipeline.files import file_hash, written_whole
from pipeline.indexing.file_states import FileState, file_states
from pipeline.indexing.indexing import IndexParams
from pipeline.indexing.inspection import Finding
from pipeline.indexing.set_files import holding_files
from pipeline.json_text import json_digest
from pipeline.sources import ImageSet, Source

# A file that was changed just before it was read may change again within one tick of its disk's
# clock, which no time would tell: it is not remembered.
SETTLED_NS = 2_000_000_000
KEPT = 256  # tables in the side cache; those not used for longest are removed
# Options that decide which bytes a path of the index stands for.
OPTIONS = ("source", "path", "root", "subfolder", "strip", "prefix", "image_column")
STATE = FileState._fields
SCHEMA = {"path": pl.String, **dict.fromkeys(STATE, pl.Int64), "sha256": pl.String}


@dataclass(frozen=True)
class Recalled:
    """What is known of the images of a listing.

    Attributes:
        rows: Their path, state and hash, and whether they are ``known``; in their order.
        asked: When their states were asked for, in nanoseconds.
    """

    rows: pl.DataFrame
    asked: int

    @property
    def count(self) -> int:
        """How many are known."""
        return int(self.rows["known"].sum())

    def findings(self) -> list[Finding | None]:
        """What a look at each image would find; None for those to be read."""
        pairs = zip(self.rows["known"], self.rows["sha256"], strict=True)
        return [(digest, None) if known else None for known, digest in pairs]


@dataclass(frozen=True)
class ImageMemory:
    """The table of one data set at one place.

    Attributes:
        folder: Of the side cache.
        name: Of the data set and its place.
        policy: What decides what is found in an image, beside its bytes.
    """

    folder: Path
    name: str
    policy: str

    @classmethod
    def of(
        cls,
        folder: Path,
        dataset: str,
        spec: ImageSet,
        *,
        params: IndexParams,
        images: ImageParams,
    ) -> "ImageMemory":
        """Name the table of a data set, and what its rows depend on."""
        place = {option: getattr(spec, option, None) for option in OPTIONS}
        for option in ("path", "root"):
            if value := place[option]:
                place[option] = str(Path(value).resolve())
        policy = {
            "hash": params.hash,
            "verify": params.verify_images,
            "images": dataclasses.asdict(images),
            "pillow": importlib.metadata.version("pillow"),
            "code": stage_code(ROOT / "pipeline/indexing/inspection.py"),
        }
        return cls(folder, json_digest([dataset, place]), json_digest(policy)[:16])

    def recall(self, source: Source, paths: Sequence[str]) -> Recalled:
        """Ask the disk for the state of each image, and find those that are as they were."""
        asked = time.time_ns()
        now = _states(source, paths)
        known = self._read()
        if known is None:
            known = pl.DataFrame(schema=SCHEMA)
        rows = now.join(
            known.with_columns(known=pl.lit(True)),
            on=["path", *STATE],
            how="left",
            maintain_order="left",
        )
        return Recalled(rows.with_columns(pl.col("known").fill_null(False)), asked)

    def keep(self, recalled: Recalled, index: pl.DataFrame) -> None:
        """Remember the images of an index, but for bad ones and those that changed just before.

        They are kept under the state that they had before they were read: one that changed since
        has another. A side cache that cannot be written costs time in the next run, and no more.
        """
        seen = recalled.rows.with_columns(index["sha256"], index["error"])
        settled = pl.col("changed") <= recalled.asked - SETTLED_NS
        good = seen.filter(pl.col("known") | (settled & pl.col("error").is_null()))
        try:
            self._write(good.select(list(SCHEMA)))
        except OSError as error:
            print(
                f"warning: what was found is not remembered, so that all images are read again in "
                f"the next look: {error}",
                file=sys.stderr,
            )

    def _read(self) -> pl.DataFrame | None:
        """The table, if there is one of this policy that is whole."""
        for path in self.folder.glob(f"{self.name}.{self.policy}.*.parquet"):
            try:
                if file_hash(path) == path.name.split(".")[2]:
                    return pl.read_parquet(path).select(list(SCHEMA))
            except (OSError, pl.exceptions.PolarsError):
                continue
        return None

    def _write(self, table: pl.DataFrame) -> None:
        if table.is_empty():  # as of sources that read all before they can list it
            return
        buffer = io.BytesIO()
        table.write_parquet(buffer, compression="zstd", statistics=False)
        digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
        path = self.folder / f"{self.name}.{self.policy}.{digest}.parquet"
        with written_whole(path) as partial:
            partial.write_bytes(buffer.getbuffer())
        for older in self.folder.glob(f"{self.name}.*.parquet"):
            if older != path:
                older.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another process removes the same
            held = sorted(self.folder.iterdir(), key=lambda file: file.stat().st_mtime)
            for unused in held[:-KEPT]:
                unused.unlink()


def _states(source: Source, paths: Sequence[str]) -> pl.DataFrame:
    """Paths with the state of the file that holds each; null where nobody can tell."""
    files = holding_files(source, paths)
    states = file_states(files) if files else [None] * len(paths)
    columns = {
        name: pl.Series([state and state[place] for state in states], dtype=pl.Int64)
        for place, name in enumerate(STATE)
    }
    return pl.DataFrame({"path": pl.Series(paths, dtype=pl.String), **columns})
