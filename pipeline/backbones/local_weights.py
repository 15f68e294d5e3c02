"""Weights that are on this machine already, found without asking anybody."""

import os
from pathlib import Path

from pipeline.backbones.checkpoints import placed_file
from pipeline.backbones.model_spec import ModelSpec

HUB_FILES = {  # where an entry of open_clip's table names a repository only; timm's default
    "open_clip": ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
    "timm": ("model.safetensors", "pytorch_model.bin"),
}


def local_weights(backbone: str, spec: ModelSpec) -> Path | None:
    """Return the weights file that `find_checkpoint` would take without a download, if any.

    In its order: `placed_file`, and without `spec.checkpoint` the hub's cache.
    """
    placed = placed_file(backbone, spec)
    return placed if placed or spec.checkpoint else _in_hub_cache(spec)


def _in_hub_cache(spec: ModelSpec) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    cache = Path(HF_HUB_CACHE)
    if not spec.name or not cache.is_dir() or not any(cache.glob("models--*")):
        return None  # an empty cache: spare the seconds that importing open_clip takes
    repository, files = _open_clip(spec) if spec.loader == "open_clip" else _timm(spec)
    found = (
        try_to_load_from_cache(repository, file, cache_dir=cache) for file in files if repository
    )
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _open_clip(spec: ModelSpec) -> tuple[str, tuple[str, ...]]:
    from open_clip.pretrained import get_pretrained_cfg

    cfg = get_pretrained_cfg(str(spec.name), str(spec.pretrained)) or {}
    repository, file = os.path.split(cfg.get("hf_hub", ""))
    stem = file.rpartition(".")[0]
    return repository, (f"{stem}.safetensors", file) if file else HUB_FILES["open_clip"]


def _timm(spec: ModelSpec) -> tuple[str, tuple[str, ...]]:
    from timm.models import get_pretrained_cfg

    cfg = get_pretrained_cfg(str(spec.name))
    if cfg is None or not cfg.hf_hub_id:
        return "", ()
    return cfg.hf_hub_id, (cfg.hf_hub_filename,) if cfg.hf_hub_filename else HUB_FILES["timm"]
