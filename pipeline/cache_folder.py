"""Where unfinished work and what is remembered of files lie: outside DVC's outputs."""

import configparser
import os
from pathlib import Path


def cache_root(start: Path | None = None) -> Path:
    """Return the absolute folder for unfinished work.

    `$OOD_CACHE_DIR`; or `extraction` in DVC's cache folder, which is the main one even inside the
    temporary folders of queued experiments (read from DVC's configuration files, as `dvc cache
    dir` does, without starting DVC); or the user's own cache folder.
    """
    if chosen := os.environ.get("OOD_CACHE_DIR"):
        return Path(chosen).expanduser().resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            return dvc_cache_dir(folder / ".dvc") / "extraction"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "clip-ood-cache"


def dvc_cache_dir(dvc: Path) -> Path:
    """Return DVC's cache folder by its local, project and user configuration, in this order."""
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for file in (dvc / "config.local", dvc / "config", user / "dvc" / "config"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(file, encoding="utf-8")
        except configparser.Error:
            continue
        if directory := parser.get("cache", "dir", fallback=None):
            return (file.parent / Path(directory.strip("'\"")).expanduser()).resolve()
    return dvc / "cache"
