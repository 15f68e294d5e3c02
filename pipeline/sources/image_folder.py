"""The cure where a folder of images is given to a source that reads pixels from one file."""

import shlex
from pathlib import Path


def as_image_folder(path: Path) -> str:
    """How an entry is written for a folder of image files, as some copies of MNIST or SVHN are."""
    return (
        "if it is a folder of image files, say so by giving it as the whole entry (source: "
        f"folder): datasets.<name>={shlex.quote(str(path))}"
    )
