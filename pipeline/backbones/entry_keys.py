"""Which keys of a backbone's entry its loader reads, and which decide against each other.

A key that nobody reads would be passed over, and other weights than the entry says would load
under its name.
"""

from collections.abc import Mapping
from typing import Any

ANY_TOWER = {"name", "checkpoint", "random_weights", "seed", "kwargs", "transform"}
READ = {
    "open_clip": ANY_TOWER | {"pretrained", "config", "space", "model_cfg", "pretrain"},
    "timm": ANY_TOWER | {"finetune"},
    "features": {
        "files", "norm", "space", "class_embeddings", "projection", "logit_scale", "normalise",
        "columns", "negative_embeddings",
    },
}  # fmt: skip
ONE_OF = (  # where both are set, the first decides and the second would be passed over
    ("name", "config"),
    ("config", "pretrained"),
    ("random_weights", "checkpoint"),
    *(("pretrain", other) for other in ("name", "config", "checkpoint", "random_weights")),
    *(("finetune", other) for other in ("checkpoint", "random_weights")),
)


def refuse_unread(backbone: str, loader: str, given: Mapping[str, Any]) -> None:
    """Refuse keys that would be passed over.

    Args:
        backbone: Name of the entry.
        loader: Its loader, a key of `READ`.
        given: What the entry sets, other than the default.

    Raises:
        ValueError: If a key is not the loader's, or two keys exclude each other.
    """
    where = f"models.{backbone}"
    if loader == "timm" and (tag := given.get("pretrained")):
        name = str(given.get("name"))
        raise ValueError(
            f"{where}.pretrained is open_clip's; timm names weights after a dot: write "
            f"`name: {name.partition('.')[0]}.{tag}` instead of `name: {name}` with "
            f"`pretrained: {tag}`"
        )
    if unread := sorted(set(given) - READ[loader] - {"loader"}):
        raise ValueError(
            f"{where}.{unread[0]} is not read by the loader '{loader}': remove it; it reads "
            f"{', '.join(sorted(READ[loader]))}"
        )
    for first, second in ONE_OF:
        if first in given and second in given:
            raise ValueError(
                f"{where} must set `{first}` or `{second}`, not both: remove one, or set it to null"
                + (" (false)" if "random_weights" in (first, second) else "")
            )
    if ("pretrain" in given) != ("model_cfg" in given):
        raise ValueError(
            f"{where} must set `model_cfg` and `pretrain` together: which model is trained here, "
            "and how"
        )
