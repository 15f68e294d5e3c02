"""Archives that came over the web: whole to the last byte, and unpacked beside themselves once."""

import gzip
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from pipeline.fetching.errors import DownloadError, writing
from pipeline.fetching.locks import only_one
from pipeline.sources.ignored import IgnoredNames

DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    RuntimeError,  # an encrypted member; NotImplementedError is one too
)


def damage(path: Path, *, name: str) -> str | None:
    """Say what is wrong with an archive that has no published hash; None for a whole one.

    Reads it to the end: a server that states no length may cut it off, and nothing else tells.
    Files that are no archives by their name pass.

    Args:
        path: The file.
        name: What it will be called; its suffix tells the kind.
    """
    try:
        if name.endswith(".zip"):
            if not zipfile.is_zipfile(path):
                return "is no whole zip archive"
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
            return None if bad is None else f"is a damaged zip archive, its first bad file: '{bad}'"
        if name.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(path) as members:
                for _ in members:
                    pass
                while members.fileobj and members.fileobj.read(1 << 20):
                    pass  # to the end, where gzip compares its checksum
    except DAMAGE as error:
        return f"is no whole archive ({_reason(error)})"
    return None


def unpacked(archive: Path, folder: str) -> Path | None:
    """Return the folder that an archive was unpacked to, if it is there and holds something."""
    target = archive.parent / folder
    return target if target.is_dir() and any(target.iterdir()) else None


def unpack(archive: Path, folder: str) -> Path:
    """Unpack a zip archive beside itself, once; return the folder it holds.

    Raises:
        DownloadError: If it is damaged, a path in it leads anywhere else, or the disk refuses.
    """
    with writing(archive.parent / folder):
        if there := unpacked(archive, folder):
            return there
        with only_one(archive, doing="unpacked"):
            if there := unpacked(archive, folder):  # another process was faster
                return there
            _extract(archive, folder)
    return archive.parent / folder


def _extract(archive: Path, folder: str) -> None:
    partial = archive.parent / f"{folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(partial, _members(opened, archive, folder))
    except DownloadError:
        raise
    except DAMAGE as error:
        raise DownloadError(
            f"{archive} is no whole zip archive ({_reason(error)}); move it and "
            f"{archive.name}.sha256, if there is one, away and fetch it again"
        ) from error
    (partial / folder).replace(archive.parent / folder)
    shutil.rmtree(partial)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _members(opened: zipfile.ZipFile, archive: Path, folder: str) -> list[str]:
    """The members below the folder; what systems and publishers lay beside it is left out."""
    ignored, held = IgnoredNames([]), []
    for name in opened.namelist():
        parts = name.replace("\\", "/").split("/")
        inside = parts[0] == folder
        if name.startswith("/") or ".." in parts or not (inside or ignored.member(name)):
            raise DownloadError(
                f"{archive} holds the path '{name}', not below '{folder}'; the archive is not "
                "trusted: get a clean copy"
            )
        if name.startswith(f"{folder}/"):
            held.append(name)
    if not held:
        raise DownloadError(f"{archive} must hold the folder '{folder}'; get the right archive")
    return held
