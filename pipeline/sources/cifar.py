"""CIFAR-10 and CIFAR-100, python version: neither unpacked, nor the pickles trusted."""

import gzip
import io
import pickle
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pipeline.sources.image_folder import as_image_folder
from pipeline.sources.spec import SourceError

# All that the published pickles need; anything else in a pickle is refused, not run.
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_ALLOWED = {(module, "_reconstruct") for module in _NUMPY} | {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _PlainUnpickler(pickle.Unpickler):
    """Rebuilds lists, dictionaries, text and arrays only."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse everything a CIFAR file has no need of."""
        if (module, name) not in _ALLOWED:
            raise SourceError(f"the pickle asks for '{module}.{name}'; no CIFAR file does: refused")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def load(
    path: Path, *, split: str, coarse: bool
) -> tuple[UInt8[np.ndarray, "n 32 32 3"], list[str], list[str]]:
    """Read one split.

    Args:
        path: The published .tar.gz, or the folder that it unpacks to.
        split: ``train`` or ``test``.
        coarse: CIFAR-100's twenty superclasses instead of its hundred classes.

    Returns:
        Images in the order of the batches, class names by row, classes in label order.

    Raises:
        SourceError: If a batch is missing, a file is no CIFAR batch, a label is no class, or there
            are two sets.
    """
    files = _read_all(path)
    if "meta" in files:
        kind = "coarse" if coarse else "fine"
        classes = _unpickle(files["meta"], path)[f"{kind}_label_names"]
        batches, key = [split], f"{kind}_labels"
    elif "batches.meta" in files:
        if coarse:
            raise SourceError(f"'{path}' is CIFAR-10, which has no coarse classes")
        classes = _unpickle(files["batches.meta"], path)["label_names"]
        train = [f"data_batch_{number}" for number in range(1, 6)]
        batches, key = (train if split == "train" else ["test_batch"]), "labels"
    else:
        cure = f"; {as_image_folder(path)}" if path.is_dir() else ""
        raise SourceError(
            f"'{path}' must hold the python version of CIFAR (batches.meta or meta); it holds "
            f"{', '.join(sorted(files)) or 'nothing of the kind'}{cure}"
        )
    if missing := [name for name in batches if name not in files]:
        raise SourceError(f"'{path}' lacks the batch '{missing[0]}'; get it again")
    contents = [_unpickle(files[name], path) for name in batches]
    pixels = np.concatenate([np.asarray(content["data"], np.uint8) for content in contents])
    labels = [int(label) for content in contents for label in content[key]]
    if len(labels) != len(pixels):
        raise SourceError(f"'{path}' holds {len(pixels)} images and {len(labels)} labels")
    if strange := [label for label in labels if not 0 <= label < len(classes)]:
        raise SourceError(
            f"'{path}' holds the label {strange[0]}, but names {len(classes)} classes, 0 to "
            f"{len(classes) - 1}; get it again"
        )
    images = np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return images, [classes[label] for label in labels], list(classes)


def _read_all(path: Path) -> dict[str, bytes]:
    """The batch files by name."""
    wanted = {"meta", "batches.meta", "train", "test", "test_batch"}
    wanted |= {f"data_batch_{number}" for number in range(1, 6)}
    if path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if file.name in wanted and file.is_file()]
        _check_one_set(path, [file.relative_to(path).as_posix() for file in found])
        return {file.name: file.read_bytes() for file in found}
    files, members = {}, []
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if member.isfile() and name in wanted:
                    extracted = archive.extractfile(member)
                    files[name] = extracted.read() if extracted else b""
                    members.append(member.name)
            while archive.fileobj and archive.fileobj.read(1 << 20):
                pass  # to the end, where gzip compares its checksum
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"'{path}' is no readable archive ({error}); get it again") from error
    _check_one_set(path, members)
    return files


def _check_one_set(path: Path, found: list[str]) -> None:
    """Refuse CIFAR-10 beside CIFAR-100, or two copies: nothing says which is meant."""
    known: dict[str, str] = {}
    for file in found:
        folder, _, name = file.rpartition("/")
        kind = "meta" if name == "batches.meta" else name
        if kind in known:
            folders = sorted({folder, known[kind].rpartition("/")[0]})
            raise SourceError(
                f"'{path}' must hold one CIFAR set, got '{known[kind]}' and '{file}'; give the "
                f"folder that is meant as path: {' or '.join(str(path / one) for one in folders)}"
            )
        known[kind] = file


def _unpickle(data: bytes, path: Path) -> dict[str, Any]:
    try:
        content = _PlainUnpickler(io.BytesIO(data), encoding="latin1").load()
    except SourceError as error:
        raise SourceError(f"'{path}': {error}") from None
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise SourceError(f"'{path}' holds a damaged pickle ({error}); get it again") from error
    if not isinstance(content, dict):
        raise SourceError(f"'{path}' holds a pickled {type(content).__name__}, not a CIFAR batch")
    return content
