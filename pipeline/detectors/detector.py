"""The detector of one backbone: everything fitted on the bank, as safetensors and JSON, no pickles.

Scores are computed from a detector without the training features; only neighbour scores look at
the bank again, which the detector names by the key of its store. Parts are named kind/name, such
as ``heads/plp`` or ``gaussians/labels``, and hold named arrays; facts are what a reader of
detector.json wants to know: what was fitted on what, condition numbers, classes left out.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

FORMAT = 1
_NAMED_IN = {
    "energies": "fit.head_statistics",
    "gaussians": "fit.gaussians",
    "posteriors": "fit.head_statistics",
    "residuals": "fit.residuals",
}  # where a kind of part is asked for
_ARRAYS, _FACTS = "detector.safetensors", "detector.json"
_ENTRIES = {"backbone": str, "features": dict, "facts": dict, "not_applicable": dict, "sha256": str}


class NotApplicableError(Exception):
    """A score that this backbone cannot have, with the reason to show in the tables."""


class DetectorError(ValueError):
    """A detector folder that is missing, damaged, of another version or of another backbone."""


@dataclass(frozen=True)
class Detector:
    """Fitted parts and facts of one backbone.

    Attributes:
        backbone: Its name in the backbone table.
        features: ``width``, ``norm`` and ``space`` of the features it was fitted on.
        parts: Named arrays by kind/name.
        facts: JSON-ready statements by kind/name, and ``fitted_on``.
        not_applicable: Parts that this backbone cannot have, with the reason.
    """

    backbone: str
    features: dict[str, Any]
    parts: dict[str, dict[str, np.ndarray]]
    facts: dict[str, Any] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)

    def part(self, kind: str, name: str) -> dict[str, np.ndarray]:
        """Arrays of a fitted part.

        Raises:
            NotApplicableError: If this backbone cannot have it.
            ValueError: If nothing of that name was fitted; the message lists what was.
        """
        key = f"{kind}/{name}"
        if key in self.parts:
            return self.parts[key]
        if key in self.not_applicable:
            raise NotApplicableError(self.not_applicable[key])
        known = sorted(
            other.split("/", 1)[1]
            for other in {*self.parts, *self.not_applicable}
            if other.startswith(f"{kind}/")
        )
        cure = f"; to have it fitted, name it in {_NAMED_IN[kind]}" if kind in _NAMED_IN else ""
        raise ValueError(
            f"unknown {kind} '{name}' in the detector of '{self.backbone}'; "
            f"known: {', '.join(known) or 'none'}{cure}"
        )

    def check_store(self, attributes: dict[str, Any], what: str) -> None:
        """Refuse features that this detector was not made for.

        Raises:
            DetectorError: If backbone, width, norm or space differ; names both values.
        """
        wanted = {"backbone": self.backbone} | self.features
        for name, ours in wanted.items():
            if attributes.get(name) != ours:
                raise DetectorError(
                    f"the detector was fitted on features of {name} '{ours}', but {what} has "
                    f"{name} '{attributes.get(name)}'; extract both with one backbone entry, or "
                    "fit again with `dvc repro`"
                )


def write_detector(folder: Path, detector: Detector) -> None:
    """Write a detector folder whole; equal detectors give equal bytes."""
    arrays = {
        f"{part}/{name}": np.asarray(array, order="C")
        for part, named in sorted(detector.parts.items())
        for name, array in sorted(named.items())
    }
    content = save(arrays)
    facts = {
        "format": FORMAT,
        "backbone": detector.backbone,
        "features": detector.features,
        "facts": detector.facts,
        "not_applicable": detector.not_applicable,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        unfinished.chmod(0o777 & ~_umask())
        (unfinished / _ARRAYS).write_bytes(content)
        text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        (unfinished / _FACTS).write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def read_detector(folder: Path) -> Detector:
    """Read a detector folder.

    Raises:
        DetectorError: If a file is missing or damaged, or another version wrote it.
    """
    cure = "run `dvc repro` for its fit stage (with -f if it is said to be up to date)"
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        content = (folder / _ARRAYS).read_bytes()
    except (OSError, ValueError) as error:
        raise DetectorError(f"{folder} holds no readable detector ({error}); {cure}") from error
    if not isinstance(facts, dict):
        raise DetectorError(
            f"{folder / _FACTS} must hold a mapping, got a {type(facts).__name__}; {cure}"
        )
    if facts.get("format") != FORMAT:
        raise DetectorError(
            f"{folder} has detector format {facts.get('format')}, this code reads {FORMAT}; {cure}"
        )
    for entry, kind in _ENTRIES.items():
        if not isinstance(facts.get(entry), kind):
            raise DetectorError(
                f"{folder / _FACTS} must say '{entry}' as a {kind.__name__}, got "
                f"{facts.get(entry)!r}; {cure}"
            )
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise DetectorError(f"{folder / _ARRAYS} is not the file that was written; {cure}")
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise DetectorError(
            f"{folder / _ARRAYS} is no safetensors file ({error}); {cure}"
        ) from error
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        part, _, name = key.rpartition("/")
        parts.setdefault(part, {})[name] = array
    return Detector(
        facts["backbone"], facts["features"], parts, facts["facts"], facts["not_applicable"]
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
