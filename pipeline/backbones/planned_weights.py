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
        if runs.weights_are_current(name):
            continue
        if entry.get("pretrain") or entry.get("finetune"):
            at_hand.append(f"{name}: will be trained here")
        elif entry.get("loader") == "features":
            at_hand.append(f"{name}: imported features, from the files of models.{name}.files")
        elif entry.get("random_weights"):
            at_hand.append(f"{name}: random, from models.{name}.seed")
        elif path := local_weights(name, model_spec(name, entry)):
            if path.stat().st_size:
                at_hand.append(f"{name}: there, {path}")
            else:
                missing.append(
                    f"{name}: {path} is empty\n    cure: remove it, or put it there anew"
                )
        elif entry.get("checkpoint"):
            missing.append(
                f"{name}: models.{name}.checkpoint = {entry['checkpoint']} does not exist\n"
                "    cure: put the file there, or mend the path"
            )
        else:
            called = " / ".join(str(entry[k]) for k in ("name", "pretrained") if entry.get(k))
            missing.append(
                f"{name}: {called}\n    cure: the stage fetch_weights downloads it where the hub "
                f"can be reached; else put it at data/checkpoints/{name}.safetensors (or .pt)"
            )
    return at_hand, missing
