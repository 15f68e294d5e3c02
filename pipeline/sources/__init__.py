"""Where images come from: one module a kind of source, one function to open any of them."""

from pathlib import Path

from pipeline.sources.arrays import ArraySource
from pipeline.sources.file_list import ListSource
from pipeline.sources.folder import FolderSource
from pipeline.sources.listing import Entry, Source
from pipeline.sources.parquet import ParquetSource
from pipeline.sources.read_spec import load_spec, read_spec
from pipeline.sources.rows import RowsSource
from pipeline.sources.spec import (
    CifarSet,
    FolderSet,
    IdxSet,
    ImageSet,
    ListSet,
    MatSet,
    ParquetSet,
    RowsSet,
    SourceError,
    TarSet,
    ZipSet,
)
from pipeline.sources.tar import TarSource
from pipeline.sources.zip import ZipSource

__all__ = [
    "Entry",
    "ImageSet",
    "RowsSet",
    "Source",
    "SourceError",
    "load_spec",
    "open_source",
    "read_spec",
]


def open_source(spec: ImageSet) -> Source:
    """Open the source that a spec describes; pickle it to use it in another process."""
    match spec:
        case FolderSet():
            return FolderSource.open(spec)
        case ZipSet():
            return ZipSource.open(spec)
        case TarSet():
            return TarSource.open(spec)
        case ListSet():
            container = read_spec(f"{Path(spec.path).name}.root", spec.root)
            return ListSource.open(spec, open_source(container))
        case ParquetSet():
            return ParquetSource.open(spec)
        case CifarSet() | MatSet() | IdxSet():
            return ArraySource(spec)
        case RowsSet():
            return RowsSource(spec)
    raise TypeError(f"no source opens a {type(spec).__name__}")
