"""A library fills a model from a file: what is wrong with the file, said with the cure."""

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from pipeline.backbones.checkpoints import WeightsError
from pipeline.name_lists import first_and_more

DAMAGED = (SafetensorError, pickle.UnpicklingError, EOFError, OSError)
_SAID_BY_TORCH = (  # over a pickle of other objects, or a zip archive that is cut
    "weights_only",
    "zip archive",
)
_NO_MAPPING = "object has no attribute 'items'"  # the file holds a list or one tensor
_MISFIT = re.compile(
    r"size mismatch for ([\w.]+)\.(?:weight|bias): copying a param with shape "
    r"torch\.Size\(\[(\d+)([^\]]*)\]\) from checkpoint, the shape in current model is "
    r"torch\.Size\(\[\d+([^\]]*)\]\)"
)

_LISTED = {"Missing": "it lacks tensors of the model", "Unexpected": "it holds tensors of another"}
_SHAPES = (
    r"size mismatch for ([\w.]+): copying a param with shape torch\.Size\((\[[^\]]*\])\) from "
    r"checkpoint, the shape in current model is torch\.Size\((\[[^\]]*\])\)"
)
_SHOWN = 5  # names of tensors


@contextmanager
def reading_weights(path: Path | None, model: str, *, kwargs: str = "") -> Iterator[None]:
    """Turn what a library answers while it fills a model into one error.

    Args:
        path: The weights file; None for random weights.
        model: What is filled, as ``timm's model 'resnet50'``.
        kwargs: Where ``num_classes`` of the model stands, as ``models.my_net.kwargs``; empty for a
            model that has no classifier.

    Raises:
        WeightsError: Naming the file, the reason and the cure.
    """
    try:
        yield
    except (*DAMAGED, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        if path is None and isinstance(error, RuntimeError):
            raise WeightsError(
                f"{model} cannot be built: {reason[:400]}; mend its configuration or kwargs"
            ) from error
        if path is None or (isinstance(error, AttributeError) and _NO_MAPPING not in reason):
            raise
        reason = reason.rstrip(".")
        damaged = not isinstance(error, RuntimeError)
        if damaged or any(words in reason for words in _SAID_BY_TORCH):
            raise WeightsError(_unreadable(path, error, reason)) from error
        raise WeightsError(
            f"weights file {path} does not fit {model}: {_misfit(str(error)) or reason[:400]}"
            f"{_cure(reason, kwargs)}"
        ) from error


def _unreadable(path: Path, error: Exception, reason: str) -> str:
    """Say that the file is damaged, or of another form than its name promises."""
    if path.suffix == ".safetensors":
        what = "a whole safetensors file"
    elif _is_safetensors(path):
        return (
            f"weights file {path} holds safetensors, which must be told by the ending: rename it "
            f"to {path.with_suffix('.safetensors').name}"
        )
    else:
        what = "a state_dict of tensors that torch.save wrote"
    if "weights_only" in reason:  # torch's advice is to run what the file holds
        reason = "it is no such file, or holds other objects"
    return (
        f"weights file {path} must be {what}, but it cannot be read: "
        f"{type(error).__name__} {reason[:200]}".rstrip()
        + "; copy or download it again, or save the model's state_dict() alone"
    )


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins with the length of a header in JSON, and its brace."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and 0 < int.from_bytes(start[:8], "little") < path.stat().st_size


def _misfit(error: str) -> str:
    """Say in a few words what torch lists by hundreds; empty if it said something else."""
    found = []
    for kind, told in _LISTED.items():
        if keys := re.search(rf"{kind} key\(s\) in state_dict: ([^\n]*)", error):
            found.append(_some(re.findall(r'"([^"]+)"', keys[1]), told))
    shapes = [f"{name} {old} instead of {new}" for name, old, new in re.findall(_SHAPES, error)]
    if shapes:
        found.append(_some(shapes, "tensors are of another shape"))
    if not found:
        return ""
    if len(found) > 1:
        found.append("it is of another architecture: name the model that it was saved from")
    return "; ".join(found)


def _some(names: list[str], told: str) -> str:
    return f"{told}: {first_and_more(names, shown=_SHOWN)}"


def _cure(reason: str, kwargs: str) -> str:
    """Say how many classes the file's classifier has, where that alone does not fit."""
    found = _MISFIT.findall(reason)
    others = reason.count("size mismatch") - len(found) or "key(s) in state_dict" in reason
    layers = {layer for layer, *_ in found}
    if not kwargs or others or len(layers) != 1 or any(old != new for *_, old, new in found):
        return ""
    return (
        f"; the file's classifier has {found[0][1]} classes, so write "
        f"{kwargs}: {{num_classes: {found[0][1]}}}"
    )
