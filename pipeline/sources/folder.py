"""A folder tree as a source: every file is an image, the first directory is its class."""

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.name_lists import first_and_more
from pipeline.sources.ground_truth import classified
from pipeline.sources.ignored import IgnoredNames
from pipeline.sources.listing import Entry, check_member, check_no_archives
from pipeline.sources.spec import FolderSet, SourceError

READ = ".zip, .tar, .tar.gz, .tgz, .parquet, .mat"


@dataclass
class FolderSource:
    """Files below ``root``; symbolic links are followed, loops of them refused."""

    root: Path
    class_depth: int
    ignore: tuple[str, ...]
    labels: Path | None = None
    left_out: Counter[str] = field(default_factory=Counter, compare=False, repr=False)
    _classes: list[str] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def open(cls, spec: FolderSet) -> "FolderSource":
        """Check that the folder is one."""
        root = Path(spec.path) / spec.subfolder
        if not root.is_dir():
            held = (
                "it is another file: unpack it, or pack it again"
                if root.is_file()
                else "no such folder"
            )
            raise SourceError(
                f"'{root}' must be a folder of images; {held}. Read in place are {READ}"
            )
        labels = Path(spec.labels) if spec.labels else None
        return cls(root, spec.class_depth, tuple(spec.ignore), labels)

    def entries(self) -> list[Entry]:
        """All files of the tree, sorted by their path with '/' separators."""
        ignored = IgnoredNames(self.ignore)
        paths = sorted(walk(self.root, ignored))
        self.left_out = ignored.counts
        check_no_archives(paths, container=f"'{self.root}'")
        entries, self._classes = classified(paths, labels=self.labels, depth=self.class_depth)
        return entries

    def class_folders(self) -> list[str]:
        """The directories that are classes, empty ones too, in no particular order."""
        ignored = IgnoredNames(self.ignore)
        folders = [""]
        for _ in range(self.class_depth):
            folders = [
                f"{folder}{entry.name}/"
                for folder in folders
                for entry in os.scandir(self.root / folder)
                if _is_folder(entry) and not ignored.folder(entry.name)
            ]
        return [folder.removesuffix("/") for folder in folders]

    def class_order(self) -> list[str] | None:
        """The order of numbers in a labels file, known after `entries`; folders have none."""
        return self._classes

    def read(self, path: str) -> bytes:
        """The bytes of one file.

        Raises:
            SourceError: If it is a pipe, a device or a socket, which would never end.
        """
        file = self.root / check_member(path, container=f"the index of '{self.root}'")
        if not stat.S_ISREG(file.stat().st_mode):
            raise SourceError(f"'{file}' must be a regular file; remove the pipe, device or folder")
        return file.read_bytes()


def walk(root: Path, ignored: IgnoredNames) -> list[str]:
    """Relative POSIX paths of all files below a folder, in no particular order.

    Raises:
        SourceError: If a link leads back to a folder it lies in, a folder cannot be listed, or
            a name is not valid UTF-8.
    """
    found: list[str] = []
    pending = [(os.fspath(root), "", frozenset[tuple[int, int]]())]
    while pending:
        folder, prefix, above = pending.pop()
        identity = _identity(folder)
        if identity in above:
            raise SourceError(
                f"'{folder}' is a link back to a folder it lies in; remove the link, "
                "or its images would be counted without end"
            )
        try:
            with os.scandir(folder) as listing:
                for entry in listing:
                    if _is_folder(entry):
                        if ignored.folder(entry.name):
                            continue
                        below = f"{prefix}{entry.name}/"
                        pending.append((entry.path, below, above | {identity}))
                    elif not ignored.file(entry.name):
                        found.append(prefix + entry.name)
        except PermissionError as error:
            raise SourceError(f"'{folder}' cannot be listed: permission denied") from error
    _check_utf8(found, root)
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link that leads to itself or nowhere is a file, a bad one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116 - one call per folder of a large tree
    return status.st_dev, status.st_ino


def _check_utf8(paths: list[str], root: Path) -> None:
    """Names that are no UTF-8 reach Python with lone surrogates and fit in no table."""
    try:
        "\n".join(paths).encode()
    except UnicodeEncodeError:
        broken = [path for path in paths if not path.isascii() and not _is_utf8(path)]
        shown = first_and_more([repr(os.fsencode(path)) for path in sorted(broken)], shown=20)
        raise SourceError(
            f"{len(broken)} file names below '{root}' are not UTF-8: {shown}; rename them"
        ) from None


def _is_utf8(path: str) -> bool:
    return path.encode(errors="replace").decode() == path
