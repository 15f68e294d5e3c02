"""Which weights a run still needs, and where they come from."""

from collections.abc import Mapping
from typing import Any

from pipeline.backbones.local_weights import local_weights
from pipeline.backbones.model_spec import model_spec
from pipeline.recorded_runs import RecordedRuns


def planned_weights(params: Mapping[str, Any], runs: RecordedRuns) -> tuple[list[str], list[str]]:
    """Return the backbones whose weights no stage has recorded: at hand, and missing.

    Args:
        params: What params.yaml holds, or would hold.
        runs: What DVC recorded.

    Returns:
        One line for each that is made here or lies here, and one with the cure for each other.
    """
    at_hand, missing = [], []
    for name in params["backbones"]:
        entry = params["models"][name]
        if not runs.weights_are_current(name):
            here, line = _weights_of(name, entry)
            (at_hand if here else missing).append(f"{name}: {line}")
    return at_hand, missing


def _weights_of(name: str, entry: dict[str, Any]) -> tuple[bool, str]:
    """Whether a backbone's weights are at hand, and from where; else what lacks, with the cure."""
    if entry.get("pretrain") or entry.get("finetune"):
        return True, "will be trained here"
    if entry.get("loader") == "features":
        return True, f"imported features, from the files of models.{name}.files"
    if entry.get("random_weights"):
        return True, f"random, from models.{name}.seed"
    path = local_weights(name, model_spec(name, entry))
    if path and path.stat().st_size:
        return True, f"there, {path}"
    if path:
        return False, f"{path} is empty\n    cure: remove it, or put it there anew"
    if checkpoint := entry.get("checkpoint"):
        return False, (
            f"models.{name}.checkpoint = {checkpoint} does not exist\n"
            "    cure: put the file there, or mend the path"
        )
    called = " / ".join(str(entry[k]) for k in ("name", "pretrained") if entry.get(k))
    return False, (
        f"{called}\n    cure: the stage fetch_weights downloads it where the hub can be reached; "
        f"else put it at data/checkpoints/{name}.safetensors (or .pt)"
    )
