"""Parquet files with image bytes in a column, read a few rows at a time."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from pipeline.sources.class_label import ClassLabel, class_label, one_label
from pipeline.sources.listing import Entry, numbered_classes
from pipeline.sources.patterns import expand
from pipeline.sources.spec import ParquetSet, SourceError
from pipeline.sources.splits import check_one_split

BLOCK = 64  # rows read at once; neighbours in order are asked for next
KEPT = 4  # blocks kept


@dataclass
class ParquetSource:
    """Rows of one or several Parquet files in order; the path is ``file.parquet::row``."""

    fork_safe: ClassVar[bool] = False  # a forked process lacks Polars' threads and would wait

    files: list[Path]
    image_column: str
    label_column: str | None
    readable: dict[str, str] = field(default_factory=dict)  # name by key, where they differ
    _classes: list[str] | None = None
    _blocks: dict[tuple[str, int], list[bytes | None]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, spec: ParquetSet) -> "ParquetSource":
        """Find the part files: one file, a pattern, or all of a folder that holds one split."""
        path = Path(spec.path)
        files = sorted(path.glob("*.parquet")) if path.is_dir() else expand(spec.path)
        if not files:
            raise SourceError(f"'{path}' holds no Parquet file")
        if path.is_dir():
            check_one_split(files)
        return cls(files, spec.image_column, spec.label_column)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the rows read behind."""
        return {**self.__dict__, "_blocks": {}}

    def entries(self) -> list[Entry]:
        """All rows, files in name order; labels are numbers, with names or without, or text.

        Each file's numbers go by its own names.
        """
        entries: list[Entry] = []
        named: list[tuple[Path, ClassLabel | None]] = []
        for file in self.files:
            columns = self._columns(file)
            if self.image_column not in columns:
                raise SourceError(
                    f"'{file}' has no column '{self.image_column}'; it has {', '.join(columns)}: "
                    "set image_column"
                )
            if self.label_column not in (None, "label", *columns):  # the default may be absent
                raise SourceError(
                    f"'{file}' has no column '{self.label_column}'; it has {', '.join(columns)}: "
                    "set label_column, or null for images without classes"
                )
            rows = pl.scan_parquet(file).select(pl.len()).collect().item()
            keys = [""] * rows
            if self.label_column is not None and self.label_column in columns:
                column = pl.scan_parquet(file).select(self.label_column).collect().to_series()
                keys = _keys(column, file)
                label = class_label(file, column.name) if column.dtype.is_integer() else None
                keys = label.keys_of(keys) if label else keys
                named += [(file, label)] if any(keys) else []  # of a test split all may be -1
            width = max(6, len(str(rows)))
            entries += [Entry(f"{file.name}::{row:0{width}d}", key) for row, key in enumerate(keys)]
        if label := one_label(named):
            self._classes = label.keys
            self.readable = dict(zip(label.keys, label.names, strict=True))
        else:
            self._classes = numbered_classes(entry.class_key for entry in entries)
        return entries

    def class_order(self) -> list[str] | None:
        """The labels' own numbering, known after `entries`."""
        return self._classes

    def read(self, path: str) -> bytes:
        """The image bytes of one row.

        Raises:
            SourceError: If the file or the row is no longer there, or holds no image bytes.
        """
        name, _, number = path.rpartition("::")
        block, place = divmod(int(number), BLOCK)
        rows = self._blocks.get((name, block))
        if rows is None:
            rows = self._load(name, block)
            for old in list(self._blocks)[: -KEPT + 1]:
                self._blocks.pop(old, None)
            self._blocks[name, block] = rows
        if place >= len(rows):
            raise self._changed(f"'{name}' has no row {int(number)}")
        data = rows[place]
        if data is None:
            raise SourceError(f"row {number} of '{name}' holds no image bytes")
        return data

    def _load(self, name: str, block: int) -> list[bytes | None]:
        file = next((file for file in self.files if file.name == name), None)
        if file is None:
            raise self._changed(f"there is no file '{name}'")
        rows = pl.scan_parquet(file).select(self.image_column).slice(block * BLOCK, BLOCK)
        try:
            column = rows.collect().to_series()
            if column.dtype == pl.Struct and "bytes" in column.struct.fields:
                column = column.struct.field("bytes")
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._changed(f"'{file}' cannot be read ({error})") from error
        if column.dtype not in (pl.Binary, pl.Null):
            raise SourceError(
                f"the column '{self.image_column}' of '{file}' must hold the bytes of images, got "
                f"{column.dtype}; set image_column"
            )
        return column.to_list()

    def _changed(self, what: str) -> SourceError:
        return SourceError(
            f"{what}, though the index lists it: the files of this data set were shortened, "
            "renamed or damaged. Put them back, or index the data set again"
        )

    def _columns(self, file: Path) -> list[str]:
        try:
            return list(pl.read_parquet_schema(file))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceError(f"'{file}' is no readable Parquet file ({error})") from error


def _keys(column: pl.Series, file: Path) -> list[str]:
    """Labels as text, "" where there is none."""
    told = column.dtype.is_integer() or column.dtype in (pl.String, pl.Categorical, pl.Enum)
    if not told and column.dtype != pl.Null:
        raise SourceError(
            f"the column '{column.name}' of '{file}' must hold whole numbers or text as labels, "
            f"got {column.dtype}; convert it, or set label_column"
        )
    return ["" if value in (None, -1) else str(value) for value in column]
