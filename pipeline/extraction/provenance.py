"""What a store was computed from and with, for people; not part of its identity."""

import functools
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from pipeline.extraction.content_key import package_version
from pipeline.files import write_text

PACKAGES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "timm",
    "pillow",
    "numpy",
    "zarr",
    "numcodecs",
)


def provenance(**facts: Any) -> dict[str, Any]:
    """Return facts about a run with the versions and the git commit added."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = package_version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {**facts, "versions": versions, "git_commit": git_commit()}


@functools.cache
def git_commit() -> str | None:
    """Return the commit checked out, with '+' where tracked files differ from it."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "diff-index", "--quiet", "HEAD", "--"], capture_output=True, check=False
        ).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def write_provenance(path: Path, facts: dict[str, Any]) -> None:
    """Write the facts whole, keys sorted."""
    write_text(path, json.dumps(facts, indent=1, sort_keys=True) + "\n")
