"""Archives for tests of sources."""

import io
import tarfile
from pathlib import Path


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    """Write files by name into a plain tar; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
