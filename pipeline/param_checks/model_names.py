"""Names of models that their library does not have, found before images are read for hours."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def check_model_names(models: Mapping[str, Mapping[str, Any]]) -> None:
    """Check what the backbone table calls the models of open_clip and timm.

    Neither library is imported for a name that it has: that takes seconds. Names of a hub
    (``hf-hub:…``) and models that are made here are not looked at.

    Raises:
        ValueError: Naming the entry, its value and where the known names are listed.
    """
    has = {"open_clip": _open_clip_has, "timm": _timm_has}
    listed = {"open_clip": "open_clip.list_models()", "timm": "timm.list_models()"}
    for name, entry in models.items():
        loader, called = entry["loader"], entry.get("name")
        if loader in has and called and ":" not in called and not has[loader](called):
            raise ValueError(
                f"models.{name}.name must be a model of {loader}, which has none '{called}'; see "
                f"{listed[loader]}"
            )


def _open_clip_has(name: str) -> bool:
    return (_folder("open_clip") / "model_configs" / f"{name.replace('/', '-')}.json").is_file()


def _timm_has(name: str) -> bool:
    """Whether a function of timm's is called so; else its own register says, with its old names."""
    model = name.split(".")[0]
    defined = re.compile(rf"^def {re.escape(model)}\(", re.MULTILINE)
    files = (_folder("timm") / "models").glob("*.py")
    if any(defined.search(file.read_text(encoding="utf-8")) for file in files):
        return True
    import timm

    return timm.is_model(model)


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
