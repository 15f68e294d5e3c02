"""The bank that a detector was fitted on, as a store on disk."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.detectors.bank import Bank
from pipeline.detectors.detector import Detector, DetectorError
from pipeline.storage.store import iter_shards, read_attributes, read_labels


def stored_bank(store: Path, detector: Detector) -> Bank:
    """The bank that the detector was fitted on, opened and checked when it is first read.

    Raises:
        DetectorError: When it is read, if the store is another bank.
    """
    fitted_on = detector.facts["fitted_on"]["bank"]

    @cache
    def opened() -> Path:
        about = read_attributes(store)
        detector.check_store(about, f"{store}")
        if {key: about.get(key) for key in fitted_on} != fitted_on:
            raise DetectorError(
                f"the detector was fitted on the bank {fitted_on}, but {store} is another; "
                "run `dvc repro`"
            )
        return store

    return Bank(fitted_on["rows"], lambda: iter_shards(opened()), lambda: read_labels(opened()))


def is_bank(about: Mapping[str, Any], detector: Detector, queries: Path) -> bool:
    """Whether the queries are the bank, row by row, so that no image is its own neighbour.

    Args:
        about: What their store says of itself.
        detector: Fitted on the bank.
        queries: Their store, for the error.

    Raises:
        DetectorError: If they bear the bank's name but are other features, or its rows in another
            order: images could then be their own neighbours, or lose another as if it were.
    """
    bank = detector.facts["fitted_on"]["bank"]
    if about["dataset"] != bank["dataset"]:
        return False
    if about.get("key") != bank["key"]:
        raise DetectorError(
            f"a store of the dataset '{bank['dataset']}' must be the bank that the detector was "
            f"fitted on, with the key {bank['key']}, got {queries} with the key "
            f"{about.get('key')}; fit again with `dvc repro`, or import these features as a "
            "dataset of another name"
        )
    return True
