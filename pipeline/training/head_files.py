"""The folder of trained heads: one file each, and heads.json, which says whose they are.

A head fits whatever has its width, so heads.json holds the hash of each file: one that took the
place of another, or that nobody trained, is an error.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.files import file_hash
from pipeline.training.heads import HeadError, Probe, read_probe, write_probe

_SUMMARY, _SUFFIX = "heads.json", ".safetensors"
_ENTRIES = {"backbone": str, "classes": int, "fitted_on": dict, "heads": dict, "files": dict}
_WORDS = {str: "text", int: "whole number", dict: "mapping"}


def write_heads(folder: Path, probes: Mapping[str, Probe], summary: Mapping[str, Any]) -> None:
    """Write every head and heads.json; equal heads give equal bytes.

    Args:
        folder: Where to; what it holds stays.
        probes: Heads by name.
        summary: What heads.json says; the hashes of the files are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, probe in probes.items():
        write_probe(folder / f"{name}{_SUFFIX}", probe)
        files[f"{name}{_SUFFIX}"] = file_hash(folder / f"{name}{_SUFFIX}")
    told = {**summary, "files": files}
    text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / _SUMMARY).write_text(text, encoding="utf-8")


def read_heads(folder: Path) -> tuple[dict[str, Probe], dict[str, Any]]:
    """Return the heads by name, and what heads.json says.

    Args:
        folder: Named after the backbone.

    Raises:
        HeadError: If heads.json cannot be read or lacks an entry, a head is missing or not the
            file that was written, a file is there that it does not list, or a head gives no
            logits of its classes; see `read_probe`.
    """
    path, cure = folder / _SUMMARY, f"train again: `dvc repro -f probe@{folder.name}`"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HeadError(f"{path} cannot be read ({error}); {cure}") from error
    try:
        _check_summary(summary)
        _check_files(folder, summary["files"])
    except HeadError as error:
        raise HeadError(f"{error}; {cure}") from None
    names = sorted(file.removesuffix(_SUFFIX) for file in summary["files"])
    classes = summary["classes"]
    return {n: read_probe(folder / f"{n}{_SUFFIX}", classes=classes) for n in names}, summary


def _check_summary(summary: Any) -> None:
    """Refuse a heads.json that does not say what its readers look up."""
    if not isinstance(summary, dict):
        raise HeadError(f"{_SUMMARY} must hold a mapping, got a {type(summary).__name__}")
    for entry, kind in _ENTRIES.items():
        _check_kind(entry, summary.get(entry), kind)
    for name, told in summary["heads"].items():
        _check_kind(f"heads.{name}", told, dict)
        if not told.get("applicable", True):
            _check_kind(f"heads.{name}.reason", told.get("reason"), str)
        elif f"{name}{_SUFFIX}" not in summary["files"]:
            raise HeadError(
                f"{_SUMMARY} says that '{name}' was trained, but lists no {name}{_SUFFIX}"
            )


def _check_kind(entry: str, value: Any, kind: type) -> None:
    if type(value) is not kind:
        raise HeadError(f"{_SUMMARY} must say '{entry}' as a {_WORDS[kind]}, got {value!r}")


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Refuse heads that are not those that were written."""
    found = {path.name for path in folder.glob(f"*{_SUFFIX}")}
    rule = (
        f"{folder} must hold the heads that {_SUMMARY} lists, {', '.join(sorted(files)) or 'none'}"
    )
    if missing := sorted(set(files) - found):
        raise HeadError(f"{rule}; {missing[0]} is missing")
    if strange := sorted(found - set(files)):
        raise HeadError(f"{rule}, got {strange[0]}")
    for name, digest in sorted(files.items()):
        if file_hash(folder / name) != digest:
            raise HeadError(f"{folder / name} is not the file that was written")
