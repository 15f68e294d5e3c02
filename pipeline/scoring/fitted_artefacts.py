"""What a run of the pipeline left for one backbone, opened and checked to belong together."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.backbones.weights import WeightsError, read_record
from pipeline.datasets.images import ImageParams
from pipeline.detectors.bank import Bank
from pipeline.detectors.detector import Detector, DetectorError, read_detector
from pipeline.extraction.content_key import EXTRACTION_VERSION, library_versions, model_identity
from pipeline.extraction.cpu_kind import cpu_kind
from pipeline.extraction.extract_params import ExtractParams
from pipeline.json_text import read_json
from pipeline.params import load_params, read_section
from pipeline.scores import check_methods
from pipeline.scoring.stored_bank import stored_bank
from pipeline.storage.store import read_arrays


@dataclass(frozen=True)
class Artefacts:
    """A fitted detector and what its features were computed with.

    Attributes:
        detector: Of the backbone.
        bank: Its ID training features, read when neighbours are first asked for.
        bank_there: Whether they are on disk.
        methods: Section ``methods``.
        class_names: Of the ID classes, in label order.
        weights: Folder with weights.json.
        record: What that says.
        params: Extraction of the bank; its device is the kind it ran on.
        images: How files become pictures.
        id_scores: Score table of the ID test images.
        headline: Methods that ``report.headline_methods`` names.
        warnings: Why features may differ in their last digits.
    """

    detector: Detector
    bank: Bank
    bank_there: bool
    methods: dict[str, Any]
    class_names: list[str]
    weights: Path
    record: dict[str, Any]
    params: ExtractParams
    images: ImageParams
    id_scores: Path
    headline: list[str]
    warnings: list[str]


def open_artefacts(backbone: str, root: Path) -> Artefacts:
    """Open what ``dvc repro`` wrote for one backbone.

    Args:
        backbone: Its name.
        root: Folder with ``params.yaml`` and ``data/``.

    Raises:
        DetectorError: If no detector was fitted, or text or features are not those it rests on.
        WeightsError: If the weights are not those that the features were computed with.
    """
    data, params = root / "data", root / "params.yaml"
    folder = data / "detectors" / backbone
    if not folder.is_dir():
        there = sorted(path.name for path in folder.parent.glob("*/") if path.name[0] != ".")
        id_test = read_section("benchmark.id_test", path=params)
        raise DetectorError(
            f"the backbone '{backbone}' has no fitted detector, {folder} does not exist; fitted "
            f"are: {', '.join(there) or 'none'}. Run `dvc repro score@{backbone}-{id_test}`, or "
            f"`dvc exp run -S backbone={backbone}` where params.yaml does not name it"
        )
    detector = read_detector(folder)
    dataset = detector.facts["fitted_on"]["bank"]["dataset"]
    features = data / "features" / backbone
    weights = data / "weights" / backbone
    record = read_record(weights)
    if record["loader"] == "features":
        raise WeightsError(
            f"backbone '{backbone}' is imported features and has no image tower, so that photos "
            "cannot be scored; name one that has weights, or import their features as a data set"
        )
    told = read_json(features / f"{dataset}.provenance.json")
    images = load_params("images", ImageParams, path=params)
    check_extraction(told, detector, record, images)
    methods = json.loads((data / "params/methods.json").read_text(encoding="utf-8"))
    check_methods(methods)
    store = features / f"{dataset}.zarr"
    id_test = read_section("benchmark.id_test", path=params)
    return Artefacts(
        detector,
        stored_bank(store, detector),
        bank_there=store.exists(),
        methods=methods,
        class_names=_class_names(data / "text" / f"{backbone}.zarr", detector),
        weights=weights,
        record=record,
        params=recorded_params(told["key_parts"]),
        images=images,
        id_scores=data / "scores" / backbone / f"{id_test}.parquet",
        headline=read_section("report.headline_methods", path=params),
        warnings=last_digits(told["key_parts"]),
    )


def check_extraction(
    told: Mapping[str, Any], detector: Detector, record: Mapping[str, Any], images: ImageParams
) -> None:
    """Refuse to encode photos in another way than the images that the detector was fitted on.

    Args:
        told: Provenance of the bank's features.
        detector: That was fitted on them.
        record: Of the weights that are there now.
        images: Section ``images`` as it is now.

    Raises:
        DetectorError: If they are not the features that the detector was fitted on, or were
            extracted by other code or from images turned otherwise.
        WeightsError: If they come from other weights or another model.
    """
    backbone, parts = detector.backbone, told["key_parts"]
    cure = "run `dvc repro`, which computes anew what changed"
    if told["key"] != (key := detector.facts["fitted_on"]["bank"]["key"]):
        raise DetectorError(
            f"the detector of '{backbone}' was fitted on features with the key {key[:12]}, those "
            f"there have {told['key'][:12]}; {cure}"
        )
    ours = {
        "weights": record["sha256"],
        "config": record.get("config_sha256"),
        "model": model_identity(record["entry"]),
    }
    for what, value in ours.items():
        if parts[what] != value:
            raise WeightsError(
                f"the {what} of '{backbone}' must be those that its detector was fitted with, "
                f"{_short(parts[what])}, but data/weights/{backbone}/weights.json records "
                f"{_short(value)}; {cure}, or put the old weights back"
            )
    for what, theirs, now in (
        ("extraction code of version", parts["code"], EXTRACTION_VERSION),
        ("images.exif", parts["images"]["exif"], images.exif),
    ):
        if theirs != now:
            raise DetectorError(
                f"the detector of '{backbone}' was fitted with {what} {theirs}, photos would be "
                f"encoded with {now}; {cure}"
            )


def recorded_params(parts: Mapping[str, Any]) -> ExtractParams:
    """The extraction that a content key's parts describe."""
    named = ("dtype", "batch_size", "precision", "device", "compile")
    return ExtractParams(
        **{name: parts[name] for name in named}, decode=parts.get("decode", "exact")
    )


def _class_names(text: Path, detector: Detector) -> list[str]:
    """Names of the classes, if the text side is the one that the detector was fitted with."""
    arrays, about = read_arrays(text)
    found = {
        name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        for name, array in arrays.items()
    }
    if found != detector.facts["fitted_on"]["text"]:
        raise DetectorError(
            f"{text} must hold the text that the detector of '{detector.backbone}' was fitted "
            "with, but holds another; run `dvc repro`"
        )
    return list(about["class_names"])


def last_digits(parts: Mapping[str, Any]) -> list[str]:
    """What computes pixels and features now in another way than then, in the last digits.

    Args:
        parts: Of the content key of the bank's features.
    """
    then = {**parts["libraries"], "processor": parts.get("cpu")}
    now = {**library_versions(), "processor": cpu_kind() if then["processor"] else None}
    differing = [
        f"{name} {_short(then.get(name))}, now {_short(value)}"
        for name, value in now.items()
        if then.get(name) != value
    ]
    if not differing:
        return []
    return [f"the bank was extracted with {'; '.join(differing)}: last digits may differ"]


def _short(value: Any) -> str:
    return value[:12] if isinstance(value, str) else json.dumps(value, sort_keys=True)
