"""The files that a target needs beside the bank's images."""

import json
from pathlib import Path

from pipeline.attacks.targets import TargetInputs
from pipeline.storage.store import read_arrays, read_features
from pipeline.training.heads import read_probe


def read_target_inputs(
    target: str, *, text: Path | None, heads: Path | None, store: Path | None
) -> TargetInputs:
    """Read what the target needs of the files that were given, and nothing else.

    Args:
        target: Of the attack.
        text: Text store of the surrogate.
        heads: Folder of its heads.
        store: Its features of the bank.

    Raises:
        ValueError: If the surrogate has no text tower, or no PLP head, and the target needs it.
    """
    if target == "class_text" and text is not None:
        arrays, about = read_arrays(text)
        if not about.get("applicable", True):
            raise ValueError(f"target: class_text needs a text tower: {about.get('reason')}")
        return TargetInputs(text=arrays)
    if target == "probe" and heads is not None:
        if not (heads / "plp.safetensors").is_file():
            summary = json.loads((heads / "heads.json").read_text(encoding="utf-8"))
            reason = summary["heads"].get("plp", {}).get("reason", "it was not trained")
            raise ValueError(
                f"target: probe attacks the PLP head, which the surrogate has not: {reason}; take "
                "another target (random, nearest or class_mean), or a surrogate with a text tower"
            )
        return TargetInputs(head=read_probe(heads / "plp.safetensors"))
    if target in ("nearest", "class_mean") and store is not None:
        return TargetInputs(bank_features=read_features(store).features)
    return TargetInputs()
