"""Where a backbone's weights are: a local file, or the hub's own cache after a download."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.backbones.model_spec import ModelSpec

CHECKPOINTS = Path("data/checkpoints")
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".npz")


class WeightsError(RuntimeError):
    """The weights of a backbone cannot be had, or are not what they should be."""


def placed_file(backbone: str, spec: ModelSpec) -> Path | None:
    """Return the weights file that somebody put on this machine, if it is there.

    `spec.checkpoint`, and nothing else where it is given; or a file
    ``data/checkpoints/<backbone>.*``, in the folder that the environment variable
    ``OOD_CHECKPOINTS`` names where it is set.
    """
    if spec.checkpoint:
        places = [Path(spec.checkpoint)]
    else:
        places = [checkpoint_folder() / f"{backbone}{suffix}" for suffix in SUFFIXES]
    return next((path for path in places if path.is_file()), None)


def checkpoint_folder() -> Path:
    """Return where weights files lie that are named after their backbone."""
    return Path(os.environ.get("OOD_CHECKPOINTS", CHECKPOINTS))


def find_checkpoint(backbone: str, spec: ModelSpec) -> Path:
    """Return the weights file of a backbone; download it where the hub can be reached.

    The order: `placed_file`; without `spec.checkpoint` the library's own download and cache.

    Raises:
        WeightsError: If none of these exists; the message names the model, what was tried, and
            where a local file would go.
    """
    if path := placed_file(backbone, spec):
        return path
    if spec.checkpoint:
        raise WeightsError(
            f"weights of '{backbone}' must be the file models.{backbone}.checkpoint = "
            f"{Path(spec.checkpoint)}, which does not exist; put it there or mend the path"
        )
    folder = checkpoint_folder()
    full_name = f"{spec.name} / {spec.pretrained}" if spec.pretrained else str(spec.name)
    _offline_if_unreachable()
    source, download = _open_clip(spec) if spec.loader == "open_clip" else _timm(spec)
    try:
        return Path(download())
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"weights of '{backbone}' ({spec.loader} model {full_name}) were not found\n"
            f"  tried a local file: {folder}/{backbone}{{{','.join(SUFFIXES)}}}\n"
            f"  tried the download: {source}: {type(error).__name__}: {reason}\n"
            f"  cure: on a machine with access to the hub, run the same command again; or copy "
            f"the weights file to {folder}/{backbone}.safetensors (or .pt)"
        ) from None


def _offline_if_unreachable(timeout_s: float = 5.0) -> None:
    """Spare the user minutes of retries: where the hub does not answer, use its cache only."""
    proxied = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} & set(os.environ)
    if proxied or "HF_HUB_OFFLINE" in os.environ:
        return
    hub = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = hub.port or (443 if hub.scheme == "https" else 80)
    try:
        socket.create_connection((str(hub.hostname), port), timeout=timeout_s).close()
    except OSError:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
        if "huggingface_hub" in sys.modules:
            sys.modules["huggingface_hub"].constants.HF_HUB_OFFLINE = True


def _open_clip(spec: ModelSpec) -> tuple[str, Callable[[], str]]:
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained

    cfg = get_pretrained_cfg(str(spec.name), str(spec.pretrained))
    if not cfg:
        tags = [tag for name, tag in list_pretrained() if name == spec.name]
        known = f"its tags: {', '.join(tags)}" if tags else "open_clip has no model of that name"
        raise WeightsError(
            f"open_clip has no weights '{spec.pretrained}' for '{spec.name}'; {known}"
        )
    return cfg.get("hf_hub") or cfg.get("url") or "?", lambda: download_pretrained(cfg)


def _timm(spec: ModelSpec) -> tuple[str, Callable[[], str]]:
    import timm
    from timm.models import get_pretrained_cfg

    if not timm.is_model(str(spec.name).split(".")[0]):
        raise WeightsError(
            f"timm has no model '{spec.name}'; see timm.list_models('*{str(spec.name)[:6]}*')"
        )
    try:
        cfg = get_pretrained_cfg(str(spec.name))
    except RuntimeError:  # an unknown tag
        cfg = None
    if cfg is None or not cfg.has_weights:
        known = timm.list_pretrained(f"{str(spec.name).split('.')[0]}.*")
        raise WeightsError(
            f"timm has no weights '{spec.name}'; known: {', '.join(known) or 'none'}; "
            "or set `checkpoint` to a local file"
        )

    def download() -> str:
        if cfg.hf_hub_id:
            from huggingface_hub import hf_hub_download

            return hf_hub_download(cfg.hf_hub_id, cfg.hf_hub_filename or "model.safetensors")
        from timm.models._hub import download_cached_file

        return str(download_cached_file(str(cfg.url), check_hash=True, progress=True))

    return cfg.hf_hub_id or str(cfg.url), download
