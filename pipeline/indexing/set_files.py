"""Which files on disk a data set is made of, found without opening an image or an archive."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.sources import ImageSet, Source, open_source
from pipeline.sources.file_list import ListSource
from pipeline.sources.folder import FolderSource, walk
from pipeline.sources.ignored import IgnoredNames
from pipeline.sources.parquet import ParquetSource
from pipeline.sources.patterns import expand
from pipeline.sources.spec import FolderSet, ListSet, ParquetSet, TarSet
from pipeline.sources.tar import TarSource
from pipeline.sources.zip import ZipSource

LISTS = ("labels", "classes", "class_names")  # options that may name a file


def list_files(spec: ImageSet) -> list[tuple[str, str]]:
    """Return name and path of every file that lists images or tells their classes."""
    named = [(option, getattr(spec, option, None)) for option in LISTS]
    told = [(option, Path(value)) for option, value in named if isinstance(value, str)]
    if isinstance(spec, ListSet):
        told.append(("list", Path(spec.path)))
    return [pair for option, path in told for pair in _all_below(path, option)]


def image_files(spec: ImageSet) -> list[tuple[str, str]]:
    """Return name and path of every image, or of the archives and tables that hold them.

    Names are those below the data set, so that they are the same wherever it lies.

    Raises:
        SourceError: If a folder cannot be listed, or a file is missing that a list or a pattern
            names.
    """
    match spec:
        case FolderSet():
            root = FolderSource.open(spec).root
            paths = sorted(walk(root, IgnoredNames(spec.ignore)))
            return [(path, f"{root}/{path}") for path in paths]
        case ListSet() if Path(spec.root).is_dir():
            source = open_source(spec)
            paths = [entry.path for entry in source.entries()]
            return list(zip(paths, holding_files(source, paths) or [], strict=True))
        case ListSet():
            return _named(expand(spec.root))
        case TarSet():
            return _named(expand(spec.path))
        case ParquetSet():
            return _named(ParquetSource.open(spec).files)
    return _all_below(Path(spec.path), "path")  # a file, or a folder of parts


def _named(files: Iterable[Path]) -> list[tuple[str, str]]:
    return [(file.name, str(file)) for file in files]


def _all_below(path: Path, name: str) -> list[tuple[str, str]]:
    """The file, or all files of a folder of parts."""
    if not path.is_dir():
        return [(name, str(path))]
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return [(f"{name}/{file.relative_to(path).as_posix()}", str(file)) for file in files]


def holding_files(source: Source, paths: Sequence[str]) -> list[str] | None:
    """Return the file on disk that holds each image, which is the image itself or its archive.

    Returns:
        None for sources that read all of a publisher's file before they can list it.
    """
    match source:
        case FolderSource():
            return [f"{source.root}/{path}" for path in paths]
        case ListSource():
            inside = [path.removeprefix(source.lead).removeprefix("/") for path in paths]
            return holding_files(source.container, inside)
        case ZipSource():
            return [str(source.archive)] * len(paths)
        case TarSource() if len(source.archives) == 1:
            return [str(source.archives[0])] * len(paths)
        case TarSource():
            return _by_part(source.archives, paths)
        case ParquetSource():
            return _by_part(source.files, paths)
    return None


def _by_part(files: Iterable[Path], paths: Sequence[str]) -> list[str]:
    """The file whose name stands before the ``::`` of each path; "" where none has that name."""
    places = {file.name: str(file) for file in files}
    return [places.get(path.partition("::")[0], "") for path in paths]
