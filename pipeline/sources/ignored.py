"""Names that are no images at all, and how many of each kind a listing left out."""

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

# Left out wherever they lie: what systems drop beside images. Any other file counts as an image,
# whatever its suffix, and is reported when it cannot be decoded.
SYSTEM = (".*", "thumbs.db", "desktop.ini", "__macosx")
# What publishers lay beside images. A class may begin with these words (license_plate), and so may
# an image or its label in a WebDataset shard: only other files of such a name are left out.
DOCUMENTS = ("readme*", "license*", "licence*")
_IMAGES = "avif bmp dib gif heic ico jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
IMAGES = frozenset(f".{suffix}" for suffix in _IMAGES.split())
KEPT = {*IMAGES, ".cls", ".json"}


class IgnoredNames:
    """Patterns of names to leave out; letter case does not matter.

    Attributes:
        counts: How many files and folders each pattern left out.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        """Add a data set's own patterns, which hold for files and folders alike."""
        self._everywhere = (*SYSTEM, *(pattern.lower() for pattern in patterns))
        self._folders = _compiled(self._everywhere)
        self._files = _compiled((*self._everywhere, *DOCUMENTS))
        self.counts: Counter[str] = Counter()

    def folder(self, name: str) -> bool:
        """Whether a folder is left out, with all in it."""
        return self._folders.match(name) is not None and self._count(name, self._everywhere)

    def file(self, name: str) -> bool:
        """Whether a file is left out."""
        if self._files.match(name) is None:
            return False
        if PurePosixPath(name).suffix.lower() in KEPT:
            return self.folder(name)
        return self._count(name, (*self._everywhere, *DOCUMENTS))

    def member(self, path: str) -> bool:
        """Whether a file of an archive is left out, by its own name or that of a folder above."""
        *folders, name = path.split("/")
        return any(map(self.folder, folders)) or self.file(name)

    def _count(self, name: str, patterns: Iterable[str]) -> bool:
        lower = name.lower()
        self.counts[next(p for p in patterns if fnmatch.fnmatchcase(lower, p))] += 1
        return True


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)), re.IGNORECASE)


def left_out(source: object) -> str:
    """What a source left out by name when it listed its images, as words; "" if nothing."""
    counts: Mapping[str, int] = getattr(source, "left_out", {})
    return ", ".join(f"{counts[pattern]:,} '{pattern}'" for pattern in sorted(counts))
