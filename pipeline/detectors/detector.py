"""The detector of one backbone: everything fitted on the bank, as safetensors and JSON, no pickles.

Scores are computed from a detector without the training features; only neighbour scores look at
the bank again, which the detector names by the key of its store. Parts are named kind/name, such
as ``heads/plp`` or ``gaussians/labels``, and hold named arrays; facts are what a reader of
detector.json wants to know: what was fitted on what, condition numbers, classes left out. Scores
look up some of them, so the hash in it covers the facts and the arrays.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.detectors.detector_schema import check_contents
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.folders import folder_written_whole
from pipeline.json_text import json_digest

FORMAT = 2  # 1 had no hash of the facts
_NAMED_IN = {
    "energies": "fit.head_statistics",
    "gaussians": "fit.gaussians",
    "posteriors": "fit.head_statistics",
    "residuals": "fit.residuals",
}  # where a kind of part is asked for
_ARRAYS, _FACTS = "detector.safetensors", "detector.json"
_ENTRIES = {
    "arrays_sha256": str,
    "backbone": str,
    "facts": dict,
    "features": dict,
    "not_applicable": dict,
    "sha256": str,
}


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
        sha256: Of facts and arrays, by which score tables name it; empty before it is written.
    """

    backbone: str
    features: dict[str, Any]
    parts: dict[str, dict[str, np.ndarray]]
    facts: dict[str, Any] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)
    sha256: str = ""

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
                cure = "extract both with one backbone entry, or fit again with `dvc repro`"
                if name == "norm":  # what is extracted here is always raw
                    key = f"models.{self.backbone}.normalise"
                    cure = f"bring imported rows of both to unit length by -S {key}=true"
                raise DetectorError(
                    f"the detector was fitted on features of {name} '{ours}', but {what} has "
                    f"{name} '{attributes.get(name)}'; {cure}"
                )


def write_detector(folder: Path, detector: Detector) -> None:
    """Write a detector folder whole; equal detectors give equal bytes."""
    arrays = {
        f"{part}/{name}": np.asarray(array, order="C")
        for part, named in sorted(detector.parts.items())
        for name, array in sorted(named.items())
    }
    content = save(arrays)
    told = {
        "format": FORMAT,
        "backbone": detector.backbone,
        "features": detector.features,
        "facts": detector.facts,
        "not_applicable": detector.not_applicable,
        "arrays_sha256": hashlib.sha256(content).hexdigest(),
    }
    told["sha256"] = digest(told)
    with folder_written_whole(folder) as unfinished:
        (unfinished / _ARRAYS).write_bytes(content)
        text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        (unfinished / _FACTS).write_text(text + "\n", encoding="utf-8")


def digest(told: Mapping[str, Any]) -> str:
    """Hash of what detector.json says, its own hash apart; the arrays enter by theirs."""
    return json_digest({key: value for key, value in told.items() if key != "sha256"})


def read_detector(folder: Path) -> Detector:
    """Read a detector folder.

    Raises:
        DetectorError: If a file is missing, damaged or changed since, another version wrote it, or
            it holds what no fit writes.
    """
    facts_file, arrays_file = folder / _FACTS, folder / _ARRAYS
    cure = f"fit again: `dvc repro -f fit@{folder.name}`"
    try:
        told = json.loads(facts_file.read_text(encoding="utf-8"))
        content = arrays_file.read_bytes()
    except (OSError, ValueError) as error:
        raise DetectorError(f"{folder} holds no readable detector ({error}); {cure}") from error
    _check_entries(facts_file, told, cure)
    if hashlib.sha256(content).hexdigest() != told["arrays_sha256"]:
        raise DetectorError(f"{arrays_file} is not the file that was written; {cure}")
    if digest(told) != told["sha256"]:
        raise DetectorError(f"{facts_file} was changed after it was written; {cure}")
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise DetectorError(f"{arrays_file} is no safetensors file ({error}); {cure}") from error
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        part, _, name = key.rpartition("/")
        parts.setdefault(part, {})[name] = array
    contents = told["features"], told["facts"], told["not_applicable"]
    try:
        check_contents(*contents, parts)
    except ValueError as error:
        raise DetectorError(
            f"{folder} holds a detector that no fit writes: {error}; {cure}"
        ) from error
    features, facts, not_applicable = contents
    return Detector(told["backbone"], features, parts, facts, not_applicable, told["sha256"])


def _check_entries(path: Path, told: Any, cure: str) -> None:
    """Refuse a description of another form or version."""
    if not isinstance(told, dict):
        raise DetectorError(f"{path} must hold a mapping, got a {type(told).__name__}; {cure}")
    if told.get("format") != FORMAT:
        raise DetectorError(
            f"{path} has detector format {told.get('format')}, this code reads {FORMAT}; {cure}"
        )
    for entry, kind in _ENTRIES.items():
        if not isinstance(told.get(entry), kind):
            raise DetectorError(
                f"{path} must say '{entry}' as a {kind.__name__}, got {told.get(entry)!r}; {cure}"
            )
