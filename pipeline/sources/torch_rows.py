"""A tensor, or a list of them, in a file of torch.save as rows of an array."""

import pickle
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from pipeline.sources.array_names import Column, choose
from pipeline.sources.array_rows import FileRows, ImportedFileError, in_memory

if TYPE_CHECKING:
    import torch


def torch_rows(path: Path, column: Column, names: tuple[str, ...]) -> tuple[str | None, FileRows]:
    """Open a tensor by name; a list is of batches, which are joined, or of rows.

    A list of rows and a file of PyTorch before 1.6, which cannot be mapped, are read whole.

    Raises:
        ImportedFileError: If the file holds other things than tensors and plain values, which may
            run code when loaded, or the tensors of a list do not fit together.
    """
    import torch

    content, name = _load(path), None
    if isinstance(content, dict):
        keys = {str(key): key for key in content}  # which may be numbers
        name = choose(path, list(keys), column, names)

    def wanted() -> Any:
        content = _load(path)
        return content if name is None else content[keys[name]]

    content = content if name is None else content[keys[name]]
    if isinstance(content, list | tuple) and all(isinstance(x, torch.Tensor) for x in content):
        if _are_batches(path, content):
            return name, _mapped(path, content, wanted)
        content = torch.stack(list(content))
    elif isinstance(content, torch.Tensor) and content.ndim > 0 and zipfile.is_zipfile(path):
        return name, _mapped(path, [content], lambda: [wanted()])
    array = _as_numpy(content) if isinstance(content, torch.Tensor) else np.asarray(content)
    return name, in_memory(path, array)


def _load(path: Path) -> Any:
    """What the file holds, mapped where it can be."""
    import torch

    mapped = zipfile.is_zipfile(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, KeyError, IndexError, EOFError) as error:
        kind = f"'{path}' cannot be read as {path.suffix.lower()}"
        if held := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ImportedFileError(
                f"{kind}: it holds {held[1]} as a pickle, which is not loaded, since pickles may "
                "run code. Save tensors, torch.save({'features': torch.from_numpy(x)}, path), or "
                "NumPy's arrays by np.savez"
            ) from error
        raise ImportedFileError(f"{kind}: it is damaged, or torch.save did not write it") from error


def _are_batches(path: Path, tensors: Sequence["torch.Tensor"]) -> bool:
    """Whether tensors of a list have rows of one width each, and are no rows themselves."""
    if not tensors:
        raise ImportedFileError(f"'{path}' must hold rows, got an empty list")
    shapes = sorted({tuple(tensor.shape) for tensor in tensors})
    batches = all(shapes) and len({shape[1:] for shape in shapes}) == 1 and len(shapes[0]) > 1
    if not batches and len(shapes) > 1:
        raise ImportedFileError(
            f"'{path}' holds a list with tensors of the shapes {shapes[0]} and {shapes[-1]}; "
            "save one tensor with a row for each image, as torch.cat makes of batches of one width"
        )
    return batches


def _mapped(
    path: Path, tensors: Sequence["torch.Tensor"], load: Callable[[], Sequence["torch.Tensor"]]
) -> FileRows:
    """Rows of tensors one after the other; ``load`` gives them again."""
    import torch

    starts = np.cumsum([0, *map(len, tensors)])

    def read(low: int, high: int) -> Shaped[np.ndarray, "b *d"]:
        every = zip(starts, load(), strict=False)
        pieces = [part[max(low - start, 0) : max(high - start, 0)] for start, part in every]
        filled = [piece for piece in pieces if len(piece)] or pieces[:1]
        return _as_numpy(torch.cat(filled) if len(filled) > 1 else filled[0])

    shape = (int(starts[-1]), *tensors[0].shape[1:])
    return FileRows(path, shape, _as_numpy(tensors[0][:0]).dtype, read)


def _as_numpy(tensor: "torch.Tensor") -> Shaped[np.ndarray, "*shape"]:
    """The values; bfloat16, which NumPy does not know, as float32."""
    import torch

    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
