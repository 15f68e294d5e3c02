"""Where images come from: one module a kind of source, one function to open any of them."""

from pipeline.sources.folder import FolderSource
from pipeline.sources.listing import Entry, Source
from pipeline.sources.spec import (
    FolderSet,
    ImageSet,
    SourceError,
    ZipSet,
    load_spec,
    read_spec,
)
from pipeline.sources.zip import ZipSource

__all__ = ["Entry", "ImageSet", "Source", "SourceError", "load_spec", "open_source", "read_spec"]


def open_source(spec: ImageSet) -> Source:
    """Open the source that a spec describes; pickle it to use it in another process."""
    match spec:
        case FolderSet():
            return FolderSource.open(spec)
        case ZipSet():
            return ZipSource.open(spec)
    raise TypeError(f"no source opens a {type(spec).__name__}")
